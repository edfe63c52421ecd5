"""What every benchmark shares: the shape of a result's row, and a port nobody uses.

Belongs here: only that. Does not belong here: anything that measures.
"""

from __future__ import annotations

import os
import socket
from typing import Any


def row(measure: str, unit: str, better: str, value: float, limit: float | None, note: str) -> dict[str, Any]:
    """One result: `better` is `higher` or `lower`; `limit` is what disk, parser or network alone allow."""
    return {
        "measure": measure,
        "unit": unit,
        "better": better,
        "value": round(value, 2),
        "peer": None,
        "peer_value": None,
        "limit_value": round(limit, 2) if limit else None,
        "cores": os.cpu_count(),
        "note": note,
    }


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
