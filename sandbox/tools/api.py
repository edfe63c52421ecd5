"""The tools' HTTP APIs: list routes to read from, batch routes to write to.

Belongs here: requests in, JSON out. Does not belong here: pages for people (`pages`), what is accepted (`rules`).
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clock import iso
from sandbox.company.tools_file import COLUMNS
from sandbox.tools import rules
from sandbox.tools.faults import Fault, Faults
from sandbox.tools.limits import Bucket
from sandbox.tools.listing import BadQueryError, list_page
from sandbox.tools.store import Store

TOOLS = ("crm", "payments", "shop", "email", "support", "ads")
Answer = tuple[int, dict[str, Any], int]
"""Status, body, how many records it is about."""


class ApiError(Exception):
    """A request that is answered with an error body."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        self.status, self.code, self.message, self.headers = status, code, message, headers
        super().__init__(message)


class Api:
    """The routes of all tools over one store; `on_events` is told what the e-mail tool received."""

    def __init__(
        self, store: Store, rates: dict[str, float], on_events: Callable[[list[dict[str, Any]]], None] | None = None
    ) -> None:
        self.store = store
        self._on_events = on_events
        self.faults = Faults(TOOLS)
        self.buckets = {tool: Bucket(rates.get(tool, rules.DEFAULT_RATES[tool])) for tool in TOOLS}

    def routes(self) -> list[Route]:
        """Every API route; those with a fixed path come before the list routes."""
        return [
            Route("/crm/v1/contacts/batch/upsert", self._route("crm", self._upsert_crm), methods=["POST"]),
            Route("/crm/v1/contacts/{id}", self._route("crm", self._crm_contact), methods=["GET"]),
            Route("/email/v1/contacts/batch", self._route("email", self._upsert_email), methods=["POST"]),
            Route("/email/v1/contacts/{id}", self._route("email", self._email_contact), methods=["GET"]),
            Route("/email/v1/events", self._route("email", self._take_events), methods=["POST"]),
            Route("/email/_counts", self._event_counts, methods=["GET"]),
            *(Route(f"/{tool}/v1/{{table}}", self._route(tool, self._list), methods=["GET"]) for tool in TOOLS),
            Route("/admin/requests", self._requests, methods=["GET", "DELETE"]),
            Route("/admin/faults", self._faults, methods=["GET", "POST", "DELETE"]),
        ]

    def _route(self, tool: str, act: Callable[[str, Request, Any], Answer]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            table = request.path_params.get("table") or request.url.path.split("/")[3]
            met = self.faults.meet(tool, table, is_listing="table" in request.path_params)
            if met and met[0].kind == "timeout":
                await asyncio.sleep(float(met[0].options["seconds"]))
            return await run_in_threadpool(self._answer, tool, act, request, body, met)

        return endpoint

    def _answer(
        self, tool: str, act: Callable[[str, Request, Any], Answer], request: Request, body: bytes, met: list[Fault]
    ) -> Response:
        records, headers = 0, None
        request.state.faults = met
        try:
            self._admit(tool, request)
            _fail(met)
            status, content, records = act(tool, request, _decode(body) if request.method == "POST" else None)
        except ApiError as error:
            status, headers = error.status, error.headers
            content = {"status": "error", "code": error.code, "message": error.message}
        self.store.log(tool, request.method, request.url.path, status, records, _now())
        answer = JSONResponse(content, status, headers)
        if any(fault.kind == "half_page" for fault in met) and status == 200:
            return Response(bytes(answer.body)[: len(answer.body) // 2], status, media_type="application/json")
        return answer

    def _admit(self, tool: str, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {rules.TOKEN}":
            raise ApiError(
                401, "INVALID_AUTHENTICATION", "A valid bearer token is needed.", {"WWW-Authenticate": "Bearer"}
            )
        wait = self.buckets[tool].take(time.monotonic())
        if wait:
            seconds = str(max(1, math.ceil(wait)))
            raise ApiError(429, "RATE_LIMIT", "Too many requests.", {"Retry-After": seconds})

    # --- reading -------------------------------------------------------------------------------------------------

    def _list(self, tool: str, request: Request, _: Any) -> Answer:
        table = f"{tool}_{request.path_params['table']}"
        if table not in COLUMNS:
            raise ApiError(404, "NOT_FOUND", f"There is no {request.path_params['table']} here.")
        try:
            content = list_page(self.store, table, request.query_params, request.state.faults)
        except BadQueryError as error:
            raise ApiError(400, error.code, error.message) from None
        return 200, content, len(content["data"])

    def _crm_contact(self, tool: str, request: Request, _: Any) -> Answer:
        key = request.path_params["id"]
        column = "c.email collate nocase" if "@" in key else "c.id"
        sql = (
            f"select c.*, w.custom, w.written_at from crm_contacts c left join written_crm w on w.contact_id = c.id "
            f"where {column} = ? order by c.created_at, c.id limit 1"
        )
        return self._one(sql, key)

    def _email_contact(self, tool: str, request: Request, _: Any) -> Answer:
        key = request.path_params["id"]
        sql = (
            "select coalesce(c.email, w.email) as email, c.id, c.status, w.custom, w.written_at from "
            "(select ? as email) k left join written_email w on w.email = k.email "
            "left join email_contacts c on c.email = k.email collate nocase "
            "where c.id is not null or w.email is not null"
        )
        return self._one(sql, key)

    def _one(self, sql: str, key: str) -> Answer:
        rows = self.store.rows(sql, (key,))
        if not rows:
            raise ApiError(404, "CONTACT_NOT_FOUND", f"There is no contact {key}.")
        custom = json.loads(rows[0].pop("custom") or "{}")
        return 200, {**rows[0], "properties": custom}, 1

    # --- writing -------------------------------------------------------------------------------------------------

    def _upsert_crm(self, tool: str, request: Request, body: Any) -> Answer:
        inputs = _batch(body, "inputs", rules.CRM_BATCH)
        refusals = [rules.refuse_crm(entry) for entry in inputs]
        known: dict[str, dict[str, str]] = {}
        for id_property in ("email", "id"):
            asked = [
                entry["id"]
                for entry, refusal in zip(inputs, refusals, strict=True)
                if not refusal and entry.get("id_property", "email") == id_property
            ]
            known[id_property] = self.store.contact_ids(id_property, asked) if asked else {}
        results: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        writes: dict[str, dict[str, Any]] = {}
        for index, (entry, refusal) in enumerate(zip(inputs, refusals, strict=True)):
            found = None if refusal else known[entry.get("id_property", "email")].get(entry["id"].lower())
            if not refusal and found is None:
                refusal = ("CONTACT_NOT_FOUND", f"There is no contact {entry['id']}.")
            if refusal:
                errors.append({"index": index, "code": refusal[0], "message": refusal[1]})
                continue
            writes.setdefault(str(found), {}).update(entry["properties"])
            results.append({"index": index, "id": found, "new": False})
        self.store.write_crm(writes, _now())
        content = {"status": "COMPLETE", "results": results, "errors": errors}
        return 207 if errors else 200, content, len(results)

    def _upsert_email(self, tool: str, request: Request, body: Any) -> Answer:
        contacts = _batch(body, "contacts", rules.EMAIL_BATCH)
        addresses = [str(c["email"]) for c in contacts if isinstance(c, dict) and c.get("email")]
        marks = ", ".join("?" * len(addresses))
        sql = f"select lower(email) as email, status from email_contacts where email collate nocase in ({marks})"
        statuses = {row["email"]: row["status"] for row in self.store.rows(sql, tuple(addresses))}
        errors: list[dict[str, Any]] = []
        writes: dict[str, dict[str, Any]] = {}
        accepted = 0
        for index, contact in enumerate(contacts):
            refusal = rules.refuse_email(contact, statuses)
            if refusal:
                errors.append({"index": index, "code": refusal[0], "message": refusal[1]})
                continue
            writes.setdefault(contact["email"].lower(), {}).update(contact.get("attributes", {}))
            accepted += 1
        self.store.write_email(writes, _now())
        return 201, {"accepted": accepted, "errors": errors}, accepted

    def _take_events(self, tool: str, request: Request, body: Any) -> Answer:
        events = _batch(body, "events", rules.EVENT_BATCH)
        refusals = [rules.refuse_event(event) for event in events]
        good = [event for event, refusal in zip(events, refusals, strict=True) if not refusal]
        errors = [{"index": i, "code": r[0], "message": r[1]} for i, r in enumerate(refusals) if r]
        new = self.store.write_events(good, _now())
        if self._on_events is not None:
            self._on_events(good)
        return 200, {"accepted": len(good), "new": new, "errors": errors}, len(good)

    # --- the sandbox's own ----------------------------------------------------------------------------------------

    async def _event_counts(self, _: Request) -> Response:
        """The e-mail tool's own report of the events that it keeps, as the stand-ins have one; no tool's own route."""
        return JSONResponse(await run_in_threadpool(self.store.event_counts))

    async def _faults(self, request: Request) -> Response:
        """How the tools misbehave: GET shows it, POST adds a fault, DELETE takes all back; no tool's own route."""
        if request.method == "DELETE":
            self.faults.clear()
        elif request.method == "POST":
            try:
                return JSONResponse(self.faults.put(json.loads(await request.body())).shown(), 201)
            except ValueError as error:
                content = {"status": "error", "code": "INVALID_FAULT", "message": str(error)}
                return JSONResponse(content, 400)
        return JSONResponse({"faults": self.faults.shown()})

    async def _requests(self, request: Request) -> Response:
        """Requests so far per tool and method (`?since_id=` counts later ones only); no tool's own route."""
        return await run_in_threadpool(self._count_requests, request)

    def _count_requests(self, request: Request) -> Response:
        if request.method == "DELETE":
            with self.store.writing() as database:
                database.execute("delete from request_log")
        since = request.query_params.get("since_id", "0")
        sql = (
            "select tool, method, count(*) as requests, sum(records) as records, sum(status >= 400) as refused, "
            "max(id) as last_id from request_log where id > ? group by tool, method order by tool, method"
        )
        rows = self.store.rows(sql, (int(since) if since.isdigit() else 0,))
        counts: dict[str, dict[str, int]] = {tool: {} for tool in TOOLS}
        for row in rows:
            counts[row["tool"]][row["method"]] = row["requests"]
        return JSONResponse({"counts": counts, "detail": rows, "last_id": max((r["last_id"] for r in rows), default=0)})


def _fail(met: list[Fault]) -> None:
    """Answer as a tool in trouble does, if that is what this request has met."""
    for fault in met:
        if fault.kind == "429":
            seconds = str(fault.options["retry_after"])
            raise ApiError(429, "RATE_LIMIT", "Too many requests.", {"Retry-After": seconds})
        if fault.kind == "500":
            raise ApiError(500, "INTERNAL_ERROR", "Something went wrong on our side.")
        if fault.kind == "timeout":
            raise ApiError(504, "GATEWAY_TIMEOUT", "The answer took too long.")


def _decode(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise ApiError(400, "INVALID_JSON", "The body is not JSON.") from None


def _batch(body: Any, name: str, most: int) -> list[Any]:
    entries = body.get(name) if isinstance(body, dict) else None
    if not isinstance(entries, list):
        raise ApiError(400, "INVALID_BODY", f"The body needs a list «{name}».")
    if len(entries) > most:
        raise ApiError(400, "BATCH_TOO_LARGE", f"At most {most} {name} are taken at once; there were {len(entries)}.")
    return entries


def _now() -> str:
    return iso(time.time_ns() // 1_000_000)
