"""Any other tool: a call's body becomes one event, which the source's transformations make a spec event of.

The event is `Webhook Received` with the body as its properties (`items` for an array), and so keeps what was sent. Its
messageId comes from the body's bytes: the same call again adds nothing. The secret, when there is one, is compared
with `Authorization: Bearer`, `X-Webhook-Token` or the query's `token`. Who it is about is taken from where callers put
it: `userId`, `user_id`, `anonymousId`, `email`; else the event gets an anonymousId of its own, which a transformation
can tell from a person's by its prefix `webhook_`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.collect.webhooks import Call, Unreadable
from headwater.collect.webhooks.common import is_same, person, track
from headwater.event import identifier


class Generic:
    """Any JSON; the route makes JSON of a form and of a GET's query."""

    def verify(self, secret: str, call: Call) -> bool:
        """The secret as a token; without a secret anybody may call."""
        if not secret:
            return True
        bearer = call.headers.get("authorization", "")
        if bearer[:7].lower() == "bearer ":
            return is_same(secret, bearer[7:])
        return is_same(secret, call.headers.get("x-webhook-token") or call.query.get("token") or "")

    def translate(self, body: bytes) -> Sequence[dict[str, Any] | Unreadable]:
        """One event."""
        content = msgspec.json.decode(body)
        properties = content if isinstance(content, dict) else {"items": content}
        digest = hashlib.sha256(body).hexdigest()[:32]
        own = f"webhook_{digest}"
        user = properties.get("userId") or properties.get("user_id")
        who = person(user, properties.get("email"), identifier(properties.get("anonymousId")) or own)
        return [track(own, "Webhook Received", who, properties, None, "generic")]
