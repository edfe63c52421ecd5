"""Names of the online store's keys.

Belongs here: how a person, an identifier or a session is named in Redis. Does not belong here: reading or writing.

Values are percent-encoded, so that an id with colons, braces, blanks or emoji is one unambiguous key, and hash-tagged
(`{…}`), so that everything of one person lies in one slot of a Redis Cluster.
"""

from __future__ import annotations

from urllib.parse import quote

PUSHED = "hw:pushed"


def encode(value: str) -> str:
    """Percent-encode everything but unreserved characters (RFC 3986). Lone surrogates become `?`."""
    return quote(value, safe="", errors="replace")


def identifier(id_type: str, value: str) -> str:
    """Key that holds the `customer_id` to which this identifier belongs."""
    return f"hw:id:{encode(id_type)}:{{{encode(value)}}}"


def profile(customer_id: str) -> str:
    """Key that holds a person's profile."""
    return f"hw:{{{encode(customer_id)}}}:profile"


def session(anonymous_id: str) -> str:
    """Key that holds what a browser or app is doing now; expires by itself."""
    return f"hw:{{{encode(anonymous_id)}}}:session"
