"""The clock of the push: UTC without offset, as the warehouse keeps times."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC).replace(tzinfo=None)
