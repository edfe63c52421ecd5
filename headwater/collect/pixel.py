"""`GET /pixel/v1/{track,page}`: an event as an image's address, for mails and pages without scripts.

Belongs here: the query as an event, the image. Does not belong here: the judgement of the event.

Parameters: `writeKey`, `userId`, `anonymousId`, `event` (track), `name` and `category` (page), `messageId`,
`timestamp`; `properties` and `context` as JSON objects; or flat: `properties.total=5` and any other parameter become
properties as text (RudderStack's flat form). Segment's `data=<base64 of the event's JSON>` is read too.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.collect import accept
from headwater.collect.request import Answer, RefusedError, Request

if TYPE_CHECKING:
    from headwater.collect.app import Collector

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
TYPES = ("track", "page")
_PLAIN = {"userId", "anonymousId", "event", "name", "category", "messageId", "timestamp", "originalTimestamp", "sentAt"}
_OBJECTS = {"properties", "context", "integrations", "traits"}
_KEYS = {"writeKey", "write_key", "data", "type"}


async def answer(collector: Collector, request: Request, name: str) -> Answer:
    """Log the event; the image comes whether it was good or is kept aside, because nobody reads an image's error.

    Raises:
        RefusedError: 404 for another type, 401 without a known write key, 429, 503 as everywhere.
    """
    if name not in TYPES:
        raise RefusedError(404, "not_found", f"There is no route {request.path}.")
    if request.method != "GET":
        raise RefusedError(405, "method_not_allowed", f"Get {request.path} with GET.", headers={"Allow": "GET"})
    embedded = _embedded(request.query)
    sent_key = request.query.get("writeKey") or embedded.get("writeKey")
    source = collector.source_of(request, sent_key if isinstance(sent_key, str) else None)
    payload = msgspec.json.encode(_event(name, request, embedded))
    origin = collector.origin(request, source)
    origin.type = name
    judge, cookies = collector.judge(request, source)
    await collector.store(source, accept.single(payload, origin, judge))
    return Answer(200, GIF, {"Cache-Control": "no-store", **cookies()}, "image/gif")


def _event(kind: str, request: Request, embedded: Mapping[str, Any]) -> dict[str, Any]:
    event: dict[str, Any] = {**embedded, "type": kind, "channel": "web"}
    event.pop("writeKey", None)
    loose: dict[str, Any] = {}
    for key, value in request.query.items():
        head, _, rest = key.partition(".")
        if key in _KEYS:
            continue
        if key in _PLAIN:
            event[key] = value
        elif key in _OBJECTS:
            _merge(event, key, _json(value))
        elif head in _OBJECTS and rest:
            target = event.setdefault(head, {})
            if isinstance(target, dict):
                target[rest] = value
        else:
            loose[key] = value
    if loose:
        _merge(event, "properties", loose)
    referer = request.headers.get(b"referer")
    if referer:
        context = event.setdefault("context", {})
        if isinstance(context, dict) and isinstance(context.setdefault("page", {}), dict):
            context["page"].setdefault("url", referer.decode("latin-1")[:2048])
    return event


def _merge(event: dict[str, Any], key: str, value: Any) -> None:
    """What came flat stands beside what came as an object; something else than an object is kept as it is."""
    held = event.get(key)
    event[key] = {**held, **value} if isinstance(held, dict) and isinstance(value, dict) else value


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return text


def _embedded(query: Mapping[str, str]) -> dict[str, Any]:
    text = query.get("data", "").replace("-", "+").replace("_", "/").replace(" ", "+")
    if not text:
        return {}
    try:
        found = msgspec.json.decode(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise RefusedError(400, "not_json", "The parameter «data» is no base64 of a JSON object.") from None
    if not isinstance(found, dict):
        raise RefusedError(400, "not_an_object", "The parameter «data» is no JSON object.")
    return found
