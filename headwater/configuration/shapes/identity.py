"""`identity.yaml`: by which identifiers a person is known.

Belongs here: kinds of identifiers, where they meet, what a person decided by hand, and which accounts people belong to.
Does not belong here: the tables of a source (`sources`).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class IdType(Struct, forbid_unknown_fields=True):
    """One kind of identifier.

    Attributes:
        limits: type → how many values of it one value of this type may be tied to.
        weak: a weak identifier ties after all others, and no two of whom each has some values of one of these types,
            when together they would have more than this many.
    """

    priority: int
    normalise: Literal["none", "email", "phone", "named_phone"] = "none"
    junk: list[str] = []
    limits: dict[str, int] = {}
    weak: dict[str, int] = {}


class EdgeSource(Struct, forbid_unknown_fields=True):
    """A table whose rows tie identifiers together; `ids` maps id type to a column or SQL expression over its rows."""

    table: str
    ids: dict[str, str]
    where: str = ""


class AccountSource(Struct, forbid_unknown_fields=True):
    """A table whose rows say to which account a person belongs; `account` is a column or SQL expression as well."""

    table: str
    ids: dict[str, str]
    account: str
    where: str = ""


class Override(Struct, forbid_unknown_fields=True):
    """What somebody decided by hand, and why. `ids` are written `id_type:value`."""

    ids: list[str]
    reason: str


class Identity(Struct, forbid_unknown_fields=True):
    """`identity.yaml`.

    Attributes:
        default_region: the country of telephone numbers that are written without one (ISO 3166, two letters).
        include: two identifiers that are one person's, whatever limits say.
        exclude: one identifier that ties nobody together, or two that are never one person's.
    """

    id_types: dict[str, IdType]
    edges: list[EdgeSource]
    default_region: str = "US"
    include: list[Override] = []
    exclude: list[Override] = []
    accounts: list[AccountSource] = []
