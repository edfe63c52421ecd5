"""How each tool signs its calls, by its documentation.

Belongs here: headers of a call. Does not belong here: sending.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

from sandbox.clock import iso
from sandbox.hooks.calls import Call

SECRETS = {
    "email_activity": "whsec_email_demo",
    "payment_activity": "whsec_payments_demo",
    "ticket_activity": "whsec_support_demo",
    "sales_activity": "whsec_crm_demo",
    "marketplace": "whsec_marketplace_demo",
    "survey": "whsec_survey_demo",
}
"""By the source's name; the shipped example's."""


def headers(call: Call, now: int, secrets: Mapping[str, str]) -> dict[str, str]:
    """The headers of a call that is sent `now` (milliseconds)."""
    key = secrets[call.source].encode()

    def made(*parts: str) -> bytes:
        return hmac.new(key, "".join(parts).encode() + call.body, hashlib.sha256).digest()

    seconds = str(now // 1000)
    found = {"Content-Type": "application/json", "User-Agent": f"Sandbox/{call.source}"}
    if call.scheme == "customerio":
        return found | {"X-CIO-Timestamp": seconds, "X-CIO-Signature": made("v0:", seconds, ":").hex()}
    if call.scheme == "stripe":
        return found | {"Stripe-Signature": f"t={seconds},v1={made(seconds, '.').hex()}"}
    if call.scheme == "crm":
        return found | {"X-Signature": f"t={seconds},v1={made(seconds, '.').hex()}"}
    if call.scheme == "zendesk":
        stamp = iso(now)
        signature = base64.b64encode(made(stamp)).decode()
        return found | {
            "X-Zendesk-Webhook-Signature-Timestamp": stamp,
            "X-Zendesk-Webhook-Signature": signature,
        }
    if call.scheme == "shopify":
        return found | {
            "X-Shopify-Topic": "orders/create",
            "X-Shopify-Hmac-Sha256": base64.b64encode(made()).decode(),
        }
    return found | {"Authorization": f"Bearer {secrets[call.source]}"}
