"""A CRM whose workflows call with what changed: several changes a call.

For CRMs whose calls are put together in a workflow (most are): `{"events": [{"id", "type", "occurred_at", "contact":
{"id", "email", "shop_user_id"}, …}]}`. Signature: `X-Signature: t=<unix>,v1=<hex>`, HMAC-SHA256 of `<t>.<body>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from headwater.collect.webhooks import Call, Unreadable
from headwater.collect.webhooks.common import person, track
from headwater.collect.webhooks.stripe import Stripe

EVENTS = {
    "sales_call.logged": "Sales Call Logged",
    "meeting.logged": "Sales Meeting Logged",
    "opportunity.stage_changed": "Opportunity Stage Changed",
}
_KEPT = (
    *("note", "outcome", "duration_seconds", "owner"),
    *("opportunity_id", "account_id", "stage", "previous_stage", "amount"),
)


class Crm:
    """What the sales team does where no SDK is: calls, meetings, deals."""

    def verify(self, secret: str, call: Call) -> bool:
        """As Stripe signs, under another header's name."""
        signed = {"stripe-signature": call.headers.get("x-signature", "")}
        return Stripe().verify(secret, replace(call, headers=signed))

    def translate(self, body: bytes) -> Sequence[dict[str, Any] | Unreadable]:
        """An event for each change that is one of `EVENTS`."""
        return [_event(item) for item in msgspec.json.decode(body, type=dict[str, Any])["events"]]


def _event(item: Any) -> dict[str, Any] | Unreadable:
    try:
        name, contact = EVENTS.get(item["type"]), item.get("contact") or {}
        if name is None:
            return Unreadable(msgspec.json.encode(item), f"no event for {item['type']}"[:100])
        own = f"crm_{contact['id']}" if contact.get("id") else None
        who = person(contact.get("shop_user_id"), contact.get("email"), own)
        properties = {"crm_id": contact.get("id"), **{name: item.get(name) for name in _KEPT}}
        return track(f"crm_{item['id']}", name, who, properties, item.get("occurred_at"), "crm")
    except (LookupError, TypeError, AttributeError) as error:
        return Unreadable(msgspec.json.encode(item), f"not this tool's shape: {error!r}"[:100])
