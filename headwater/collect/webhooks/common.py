"""What the tools' modules share: signatures, a person from what a tool knows of one, a spec event.

Belongs here: small pure helpers. Does not belong here: anything that only one tool does.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

from headwater.event import identifier, iso

TOLERANCE = timedelta(minutes=5)
"""How old a signed call may be: what Stripe and HubSpot recommend against replayed calls."""


def hmac_hex(secret: str, *parts: str | bytes) -> str:
    """HMAC-SHA256 of the parts, in hex."""
    return _digest(secret, parts).hex()


def hmac_base64(secret: str, *parts: str | bytes) -> str:
    """HMAC-SHA256 of the parts, in Base64."""
    return base64.b64encode(_digest(secret, parts)).decode()


def _digest(secret: str, parts: tuple[str | bytes, ...]) -> bytes:
    content = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return hmac.new(secret.encode(), content, hashlib.sha256).digest()


def is_same(expected: str, given: str) -> bool:
    """Whether two signatures are equal, compared in constant time; an absent one never is."""
    return bool(given) and hmac.compare_digest(expected.encode(), given.strip().encode())


def is_recent(seconds: str, now: datetime) -> bool:
    """Whether a Unix time, in seconds, is within `TOLERANCE` of `now` (UTC without offset)."""
    try:
        told = datetime.fromtimestamp(int(seconds), UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return False
    return abs(now - told) <= TOLERANCE


def unix(value: Any) -> str | None:
    """A Unix time in seconds as the spec writes times; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return iso(datetime.fromtimestamp(value, UTC).replace(tzinfo=None))
    except (ValueError, OverflowError, OSError):
        return None


def person(user_id: Any = None, email: Any = None, other: str | None = None) -> dict[str, Any]:
    """The identifiers of an event: the shop's own user id where the tool knows it; else an anonymousId that is always
    the same for one address (or for `other`, the tool's own id), so that all of a person's events stay together."""
    found: dict[str, Any] = {}
    known = identifier(user_id)
    address = email.strip() if isinstance(email, str) and "@" in email else None
    if known:
        found["userId"] = known
    elif address:
        found["anonymousId"] = f"email_{hashlib.sha256(address.lower().encode()).hexdigest()[:32]}"
    elif other:
        found["anonymousId"] = other
    if address:
        found["context"] = {"traits": {"email": address}}
    return found


def track(
    message_id: str, event: str, who: dict[str, Any], properties: dict[str, Any], timestamp: Any, library: str
) -> dict[str, Any]:
    """A track of the spec; properties without a value are left out."""
    context = {**who.get("context", {}), "library": {"name": f"webhook:{library}"}}
    told = {
        "type": "track",
        "messageId": message_id,
        "event": event,
        **who,
        "context": context,
        "properties": {name: value for name, value in properties.items() if value is not None},
    }
    return told | ({"timestamp": timestamp} if timestamp else {})
