"""`transformations/_settings.yaml`: how the company's Python files are run.

Belongs here: the limits of one file. Does not belong here: which source or destination uses it (`sources`,
`destinations`).
"""

from __future__ import annotations

from msgspec import Struct


class Transformation(Struct, forbid_unknown_fields=True):
    """`transformations/_settings.yaml`, by name of the file: how long one event may take, in seconds, and how much
    memory its process may have."""

    timeout_seconds: float = 1.0
    memory_mb: int = 1024
