"""Zendesk and help desks that call as it does: one ticket's event a call.

Signature: `X-Zendesk-Webhook-Signature`, Base64 of the HMAC-SHA256 of `<X-Zendesk-Webhook-Signature-Timestamp><body>`
with the webhook's secret (Zendesk documentation, «Verifying webhook authenticity»). The time is ISO 8601. The tool's
own events name who asks by `requester_id` only; add `requester: {external_id, email}` to `detail` where a trigger puts
the call together, and the event joins the customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.collect.webhooks import Call, Unreadable
from headwater.collect.webhooks.common import TOLERANCE, hmac_base64, is_same, person, track
from headwater.event import moment

EVENTS = {
    "ticket.created": "Ticket Opened",
    "ticket.csat_received": "Ticket Rated",
    "ticket.status_changed": "Ticket Status Changed",
}


class Zendesk:
    """Tickets opened, rated, solved."""

    def verify(self, secret: str, call: Call) -> bool:
        """The HMAC of a call at most five minutes old."""
        stamp = call.headers.get("x-zendesk-webhook-signature-timestamp", "")
        at = moment(stamp)
        if not secret or at is None or abs(call.at - at) > TOLERANCE:
            return False
        return is_same(hmac_base64(secret, stamp, call.body), call.headers.get("x-zendesk-webhook-signature", ""))

    def translate(self, body: bytes) -> Sequence[dict[str, Any] | Unreadable]:
        """The event, where its type is one of `EVENTS`."""
        call = msgspec.json.decode(body, type=dict[str, Any])
        kind = str(call["type"]).removeprefix("zen:event-type:")
        name, ticket = EVENTS.get(kind), call["detail"]
        if name is None:
            return [Unreadable(body, f"no event for {kind}"[:100])]
        requester = ticket.get("requester") or {}
        own = f"zendesk_{ticket['requester_id']}" if ticket.get("requester_id") else None
        who = person(requester.get("external_id"), requester.get("email"), own)
        change = call.get("event") or {}
        properties = {
            "ticket_id": str(ticket["id"]),
            "subject": ticket.get("subject"),
            "status": ticket.get("status"),
            "priority": ticket.get("priority"),
            "channel": (ticket.get("via") or {}).get("channel"),
            "rating": change.get("rating") or change.get("current") if kind == "ticket.csat_received" else None,
            "previous_status": change.get("previous") if kind == "ticket.status_changed" else None,
        }
        return [track(f"zendesk_{call['id']}", name, who, properties, call.get("time"), "zendesk")]
