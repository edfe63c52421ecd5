"""Stand-ins of a company's own services that take events by webhook: one by today's names, one by the old ones.

They take any event with an id, keep each once, and answer as a small service does.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.standins.base import Handler, Standin, read_json

TOKEN = "sandbox_demo"
MOST = 100


class Webhook(Standin):
    """`POST /events` with `{"events": […]}`."""

    name = "webhook"
    title = "Order service"

    def paths(self) -> list[tuple[str, str, Handler]]:
        return [("POST", "/events", self.take)]

    def take(self, request: Request, body: bytes) -> Response:
        """Keep the events; one without an id is refused by its index."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"error": "unknown token"}, 401)
        given = read_json(body)
        events = given.get("events") if isinstance(given, dict) else None
        if not isinstance(events, list) or len(events) > MOST:
            return JSONResponse({"error": f"events must be a list of at most {MOST}"}, 400)
        rows: list[tuple[str, str | None, str | None, Any]] = []
        errors = []
        for index, event in enumerate(events):
            if not isinstance(event, dict) or not isinstance(event.get("messageId"), str):
                errors.append({"index": index, "code": "no_id", "message": "messageId is missing"})
                continue
            name = event.get("event") if event.get("type") == "track" else event.get("type")
            rows.append((str(name), event["messageId"], str(event.get("userId") or event.get("anonymousId")), event))
        self.keep(rows)
        return JSONResponse({"taken": len(rows), "errors": errors})


class LegacyWebhook(Webhook):
    """A service from before the tracking plan: it knows orders as «purchase»."""

    name = "legacy_webhook"
    title = "Old reports"
