"""Customer.io and e-mail tools that call as it does (reporting webhooks): one message's change a call.

Signature: `X-CIO-Signature`, hex HMAC-SHA256 of `v0:<X-CIO-Timestamp>:<body>` with the webhook's signing key
(Customer.io documentation, «Reporting webhooks»).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.collect.webhooks import Call, Unreadable
from headwater.collect.webhooks.common import hmac_hex, is_recent, is_same, person, track, unix
from headwater.event import identifier

EVENTS = {
    "sent": "Email Sent",
    "delivered": "Email Delivered",
    "opened": "Email Opened",
    "clicked": "Email Link Clicked",
    "bounced": "Email Bounced",
    "spammed": "Email Marked as Spam",
    "unsubscribed": "Unsubscribed",
}
"""Names as Segment's spec for e-mail has them."""


class CustomerIo:
    """What happened to e-mails."""

    def verify(self, secret: str, call: Call) -> bool:
        """The HMAC of a call at most five minutes old."""
        stamp = call.headers.get("x-cio-timestamp", "")
        if not secret or not is_recent(stamp, call.at):
            return False
        return is_same(hmac_hex(secret, f"v0:{stamp}:", call.body), call.headers.get("x-cio-signature", ""))

    def translate(self, body: bytes) -> Sequence[dict[str, Any] | Unreadable]:
        """The event, where its metric is one of `EVENTS`."""
        call = msgspec.json.decode(body, type=dict[str, Any])
        name, data = EVENTS.get(call["metric"]), call["data"]
        if name is None or call.get("object_type") not in ("email", "customer"):
            return [Unreadable(body, f"no event for {call.get('object_type')} {call['metric']}"[:100])]
        identifiers = data.get("identifiers") or {}
        address = identifiers.get("email") or data.get("recipient") or data.get("email_address")
        own = f"customerio_{data['customer_id']}" if data.get("customer_id") else None
        who = person(identifiers.get("id"), address, own)
        properties = {
            # a newsletter is no campaign to Customer.io; to the spec it is
            "campaign_id": identifier(
                data.get("campaign_id") or data.get("newsletter_id") or data.get("broadcast_id"),
            ),
            "campaign_name": data.get("campaign_name"),
            "email_id": data.get("delivery_id"),
            "email_subject": data.get("subject"),
            "link_url": data.get("href"),
            "reason": data.get("failure_message"),
        }
        key = f"customerio_{call['event_id']}"
        return [track(key, name, who, properties, unix(call.get("timestamp")), "customerio")]
