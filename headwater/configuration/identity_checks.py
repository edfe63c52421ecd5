"""What `identity.yaml` may say beyond its shape: every type that is named is defined, every decision can be applied.

Belongs here: pure checks. Does not belong here: the shape itself (`shapes/identity`), the
tables that it names (`identity_tables`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from headwater.configuration.reading import at
from headwater.configuration.shapes.identity import Identity
from headwater.errors import ConfigError

Steps = tuple[str | int, ...]


def check_identity(identity: Identity, path: Path) -> None:
    """Check the file's references to itself.

    Raises:
        ConfigError: a type is not defined, an override cannot be applied, or two contradict each other.
    """
    known = identity.id_types
    if "customer_id" in known:
        where = at(path, "id_types", "customer_id")
        raise ConfigError(f"{where}: «customer_id» is what people get here; an id type needs another name.")
    for what, id_type, steps in _named(identity):
        if id_type not in known:
            raise ConfigError(f"{at(path, *steps)}: {what} names id type «{id_type}»; defined are: {', '.join(known)}.")
    for kind, overrides in (("include", identity.include), ("exclude", identity.exclude)):
        for number, override in enumerate(overrides):
            counts = (2,) if kind == "include" else (1, 2)
            if len(set(override.ids)) != len(override.ids) or len(override.ids) not in counts:
                wanted = "two different ids" if kind == "include" else "one id, or two different ones"
                where = at(path, kind, number, "ids")
                raise ConfigError(f"{where}: {kind} takes {wanted}; found: {', '.join(override.ids) or 'none'}.")
            if not override.reason.strip():
                where = at(path, kind, number, "reason")
                raise ConfigError(f"{where}: {kind} of {', '.join(override.ids)} gives no reason.")
    excluded = {frozenset(override.ids) for override in identity.exclude}
    for number, override in enumerate(identity.include):
        if frozenset(override.ids) in excluded:
            raise ConfigError(
                f"{at(path, 'include', number)}: {' and '.join(override.ids)} are both included and excluded."
            )


def split_id(text: str) -> tuple[str, str]:
    """`id_type:value` of an override as its two parts; only the first colon counts."""
    id_type, _, value = text.partition(":")
    return id_type, value


def _named(identity: Identity) -> Iterator[tuple[str, str, Steps]]:
    """Every mention of an id type, with the words and the steps that say where."""
    for number, edge in enumerate(identity.edges):
        for id_type in edge.ids:
            yield f"the edge over {edge.table}", id_type, ("edges", number, "ids", id_type)
    for number, account in enumerate(identity.accounts):
        for id_type in account.ids:
            yield f"the accounts of {account.table}", id_type, ("accounts", number, "ids", id_type)
    for name, id_type_of in identity.id_types.items():
        for other in id_type_of.limits:
            yield f"a limit of {name}", other, ("id_types", name, "limits", other)
        for other in id_type_of.weak:
            yield f"«weak» of {name}", other, ("id_types", name, "weak", other)
    for kind, overrides in (("include", identity.include), ("exclude", identity.exclude)):
        for number, override in enumerate(overrides):
            for place, text in enumerate(override.ids):
                yield f"«{text}»", split_id(text)[0], (kind, number, "ids", place)
