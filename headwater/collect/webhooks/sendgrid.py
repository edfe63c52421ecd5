"""SendGrid and e-mail tools that call as its Event Webhook does: many messages' changes a call.

Signature: `X-Twilio-Email-Event-Webhook-Signature`, Base64 of the ECDSA signature (P-256, SHA-256) of
`<X-Twilio-Email-Event-Webhook-Timestamp><body>`. The source's secret is the verification key that SendGrid shows, a
public key (SendGrid documentation, «Event Webhook Security Features»).

SendGrid knows a person by the address; the company's user id is taken from the custom argument `user_id`, and what
SendGrid's events do not tell from `email_subject`, `campaign_id` and `campaign_name`, if the mails are sent with them.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.collect.webhooks import Call, Unreadable
from headwater.collect.webhooks.common import is_recent, person, track, unix
from headwater.event import identifier

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

EVENTS = {
    "processed": "Email Sent",
    "delivered": "Email Delivered",
    "deferred": "Email Deferred",
    "open": "Email Opened",
    "click": "Email Link Clicked",
    "bounce": "Email Bounced",
    "dropped": "Email Dropped",
    "spamreport": "Email Marked as Spam",
    "unsubscribe": "Unsubscribed",
    "group_unsubscribe": "Unsubscribed",
}
"""Names as Segment's spec for e-mail has them, in its manner where it has none: a dropped mail was never sent on, a
deferred one is tried again, and so neither is a bounce."""


class SendGrid:
    """What happened to e-mails."""

    def verify(self, secret: str, call: Call) -> bool:
        """The signature of a call at most five minutes old."""
        stamp = call.headers.get("x-twilio-email-event-webhook-timestamp", "")
        if not secret or not is_recent(stamp, call.at):
            return False
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            signature = base64.b64decode(call.headers.get("x-twilio-email-event-webhook-signature", ""), validate=True)
            _key(secret).verify(signature, stamp.encode() + call.body, ECDSA(SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True

    def translate(self, body: bytes) -> Sequence[dict[str, Any] | Unreadable]:
        """An event for each change that is one of `EVENTS`."""
        return [_event(item) for item in msgspec.json.decode(body, type=list[Any])]


@lru_cache(maxsize=16)
def _key(secret: str) -> EllipticCurvePublicKey:
    """Raises:
    ValueError: it is no key for such signatures.
    """
    # only who has such a source pays for these
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(base64.b64decode(secret))
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    if not isinstance(key, EllipticCurvePublicKey):
        raise ValueError("not a key of an elliptic curve")
    return key


def _event(item: Any) -> dict[str, Any] | Unreadable:
    try:
        name = EVENTS.get(item["event"])
        if name is None:
            return Unreadable(msgspec.json.encode(item), f"no event for {item['event']}"[:100])
        delivery = item.get("sg_message_id")
        who = person(item.get("user_id"), item.get("email"), f"sendgrid_{delivery}" if delivery else None)
        is_told_why = name in ("Email Bounced", "Email Dropped", "Email Deferred")
        properties = {
            "campaign_id": identifier(item.get("singlesend_id") or item.get("campaign_id")),
            "campaign_name": item.get("singlesend_name") or item.get("campaign_name"),
            "email_id": identifier(delivery),
            "email_subject": item.get("email_subject"),
            "link_url": item.get("url"),
            "reason": item.get("reason") or item.get("response") if is_told_why else None,
            "list_id": identifier(item.get("asm_group_id")) if item["event"] == "group_unsubscribe" else None,
        }
        key = f"sendgrid_{item['sg_event_id']}"
        return track(key, name, who, properties, unix(item.get("timestamp")), "sendgrid")
    except (LookupError, TypeError, AttributeError) as error:
        return Unreadable(msgspec.json.encode(item), f"not this tool's shape: {error!r}"[:100])
