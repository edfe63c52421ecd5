"""Each tool's calls, signed here by its documentation's words, and what becomes of them.

Belongs here: what the tools' tests share. Does not belong here: any tool's bodies.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from headwater.collect.webhooks import Call, Unreadable
from headwater.collect.webhooks.registry import TYPES
from headwater.event import fault

NOW = datetime(2026, 5, 4, 12, 0, 0)
SECRET = "whsec_demo"
BODY = b'{"id": "\xc3\xa4"}'
URL = "https://events.example.com/v1/webhook/tool"
EMAIL_ID = "email_" + hashlib.sha256(b"ann@example.com").hexdigest()[:32]
SENDGRID = ec.generate_private_key(ec.SECP256R1())
"""SendGrid's own; who is called has the public half as its secret."""


def public(key: ec.EllipticCurvePrivateKey) -> str:
    """The verification key as SendGrid shows it."""
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def secret(tool: str) -> str:
    """What the config of a source of this type has as its secret."""
    return public(SENDGRID) if tool == "sendgrid" else SECRET


def digest(*parts: bytes) -> bytes:
    return hmac.new(SECRET.encode(), b"".join(parts), hashlib.sha256).digest()


def unix(at: datetime) -> str:
    return str(int(at.replace(tzinfo=UTC).timestamp()))


def signed(tool: str, body: bytes, at: datetime = NOW, url: str = URL) -> dict[str, str]:
    """The headers of a call by POST."""
    stamp = unix(at)
    if tool == "stripe":
        return {"stripe-signature": f"t={stamp},v1={digest(stamp.encode(), b'.', body).hex()},v0=old"}
    if tool == "crm":
        return {"x-signature": f"t={stamp},v1={digest(stamp.encode(), b'.', body).hex()}"}
    if tool == "customerio":
        made = digest(b"v0:", stamp.encode(), b":", body).hex()
        return {"x-cio-timestamp": stamp, "x-cio-signature": made}
    if tool == "zendesk":
        told = at.isoformat() + "Z"
        made = base64.b64encode(digest(told.encode(), body)).decode()
        return {"x-zendesk-webhook-signature-timestamp": told, "x-zendesk-webhook-signature": made}
    if tool == "shopify":
        return {"x-shopify-hmac-sha256": base64.b64encode(digest(body)).decode()}
    if tool == "hubspot":
        milliseconds = f"{stamp}123"
        made = base64.b64encode(digest(b"POST", url.encode(), body, milliseconds.encode())).decode()
        return {"x-hubspot-request-timestamp": milliseconds, "x-hubspot-signature-v3": made}
    if tool == "sendgrid":
        made = base64.b64encode(SENDGRID.sign(stamp.encode() + body, ec.ECDSA(SHA256()))).decode()
        return {
            "x-twilio-email-event-webhook-timestamp": stamp,
            "x-twilio-email-event-webhook-signature": made,
        }
    return {"authorization": f"Bearer {SECRET}"}


def call(headers: dict[str, str], body: bytes = BODY, url: str = URL) -> Call:
    """The call as the collector has it, now."""
    return Call(headers, body, NOW, url=url)


def translated(tool: str, body: Any) -> list[dict[str, Any] | Unreadable]:
    return list(TYPES[tool].translate(json.dumps(body).encode()))


def event(tool: str, body: Any) -> dict[str, Any]:
    """The one event of a call."""
    (found,) = translated(tool, body)
    assert isinstance(found, dict), found
    assert fault(found["type"], found["event"], found.get("userId"), found.get("anonymousId")) is None
    assert found["context"]["library"] == {"name": f"webhook:{tool}"}
    return found


def no_event(tool: str, body: Any, item: Any = None) -> str:
    """Why a call (or its one item) is no event; it is kept as it was."""
    (found,) = translated(tool, body)
    assert isinstance(found, Unreadable), found
    assert json.loads(found.payload) == (body if item is None else item)
    return found.reason
