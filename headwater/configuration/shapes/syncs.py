"""`syncs/<name>.yaml`: which rows go to which destination.

Belongs here: a sync. Does not belong here: the tool it goes to (`destinations`).
"""

from __future__ import annotations

from msgspec import Struct


class Sync(Struct, forbid_unknown_fields=True):
    """`syncs/<name>.yaml`: a model, a mapping, a destination.

    With `audiences`, each audience that the model has a column `is_<audience>` for goes along under that name, also one
    that is added later.
    """

    model: str
    key: str
    destination: str
    object: str
    mapping: dict[str, str]
    where: str = ""
    audiences: bool = False
    owner: str = ""
    description: str = ""
