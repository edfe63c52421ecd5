"""`syncs/<name>.yaml`: which rows go to which destination.

Belongs here: a sync. Does not belong here: the tool it goes to (`destinations`).
"""

from __future__ import annotations

from msgspec import Struct


class Sync(Struct, forbid_unknown_fields=True):
    """`syncs/<name>.yaml`: a model, a mapping, a destination."""

    model: str
    key: str
    destination: str
    object: str
    mapping: dict[str, str]
    where: str = ""
    owner: str = ""
    description: str = ""
