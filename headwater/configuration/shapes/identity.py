"""`identity.yaml`: by which identifiers a person is known.

Belongs here: kinds of identifiers, and where they meet. Does not belong here: the tables of a source (`sources`).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class IdType(Struct, forbid_unknown_fields=True):
    """One kind of identifier. `limits` says how many values of another type one value of this type may be tied to."""

    priority: int
    normalise: Literal["none", "email"] = "none"
    junk: list[str] = []
    limits: dict[str, int] = {}


class EdgeSource(Struct, forbid_unknown_fields=True):
    """A table whose rows tie identifiers together; `ids` maps id type to a column or SQL expression over its rows."""

    table: str
    ids: dict[str, str]
    where: str = ""


class Identity(Struct, forbid_unknown_fields=True):
    """`identity.yaml`."""

    id_types: dict[str, IdType]
    edges: list[EdgeSource]
