"""What every benchmark shares: the shape of a result and how it is printed, and a port nobody uses.

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


def line(result: dict[str, Any]) -> str:
    """A result as a line of a table: value, limit and peer where there is one, and on what it was measured."""
    beside = [("limit", result["limit_value"]), (result["peer"], result["peer_value"])]
    notes = [f"{name} {value:,}" for name, value in beside if value] + [f"{result['cores']} cores", result["note"]]
    value = f"{result['value']:,} {result['unit']}"
    return f"{result['measure']:<34}{value:>26}  {'; '.join(notes)}"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
