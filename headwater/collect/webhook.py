"""`POST|GET /v1/webhook/{source}`: the call of a SaaS tool becomes events like any other.

Belongs here: the route, from the call to the log. Does not belong here: any tool's signature or body
(`headwater.collect.webhooks`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from headwater.collect.judge import KEPT_BYTES, Accepted, events
from headwater.collect.request import Answer, RefusedError, Request
from headwater.collect.webhooks import Call, Unreadable
from headwater.collect.webhooks.registry import TYPES
from headwater.event import NOT_JSON, stable_id

if TYPE_CHECKING:
    from headwater.collect.app import Collector

_encode = msgspec.json.encode


async def answer(collector: Collector, request: Request, name: str) -> Answer:
    """200 with the counts once every event of the call is on disk, those kept aside among them.

    A bad item never sinks the others, and never makes the answer an error: a tool would send the whole call again,
    for days, and then switch the webhook off.

    Raises:
        RefusedError: 404 for an unknown source, 401 for a wrong signature (nothing is kept), 429, 503 as everywhere.
    """
    source = collector.rules.webhooks.get(name)
    translator = TYPES.get(source.type) if source is not None else None
    if source is None or translator is None:
        raise RefusedError(404, "unknown_source", f"There is no webhook source «{name}».")
    if request.method not in ("GET", "POST"):
        text = f"Send {request.path} with POST or GET."
        raise RefusedError(405, "method_not_allowed", text, headers={"Allow": "GET, POST, OPTIONS"})
    collector.require_rate(name)
    body = await collector.body(request, name)
    headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in request.headers.items()}
    url = source.url or request.url
    if not translator.verify(
        source.secret, Call(headers, body, request.received_at, request.query, request.method, url)
    ):
        raise RefusedError(401, "bad_signature", "The signature or token of this call is missing or wrong.")
    content = _content(request, headers.get("content-type", ""), body)
    origin = collector.origin(request, name)
    origin.ip = origin.user_agent = None  # the tool's, not the person's
    judge, _ = collector.judge(request, name, "import")  # no cookie: the sender is no browser
    accepted = Accepted()
    try:
        found: Sequence[dict[str, Any] | Unreadable] = await asyncio.to_thread(translator.translate, content)
    except (ValueError, RecursionError) as error:
        accepted.quarantine(origin, NOT_JSON, content[:KEPT_BYTES], detail=str(error)[:200])
        found = []
    except (LookupError, TypeError, AttributeError) as error:
        # JSON, but not as this tool writes it
        accepted.quarantine(origin, "not this tool's shape", content[:KEPT_BYTES], detail=repr(error)[:200])
        found = []
    for index, item in enumerate(found):
        if isinstance(item, Unreadable):
            accepted.quarantine(origin, item.reason, item.payload[:KEPT_BYTES], index=index)
            continue
        payload = _encode(item)
        origin.message_id = stable_id(name, payload)
        accepted.add(events([payload], origin, judge))
    await collector.store(name, accepted)
    told: dict[str, Any] = {"success": True, "accepted": accepted.count, "quarantined": accepted.quarantined}
    return Answer(200, _encode(told | ({"reasons": accepted.reasons} if accepted.quarantined else {})))


def _content(request: Request, content_type: str, body: bytes) -> bytes:
    """What is translated: the body; of a form, or of a call without a body, its fields as JSON (but not the token)."""
    if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded" and body[:1] not in b"{[":
        return _encode(dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)))
    if not body and request.query:
        return _encode({name: value for name, value in request.query.items() if name != "token"})
    return body
