"""What `identity.yaml` may say beyond its shape: every type that is named is defined, every decision can be applied.

Belongs here: pure checks. Does not belong here: the shape itself (`shapes/identity`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from headwater.configuration.shapes.identity import Identity, Override
from headwater.errors import ConfigError


def check_identity(identity: Identity, path: Path) -> None:
    """Check the file's references to itself.

    Raises:
        ConfigError: a type is not defined, an override cannot be applied, or two contradict each other.
    """
    known = identity.id_types
    if "customer_id" in known:
        raise ConfigError(f"{path}: «customer_id» is what people get here; an id type needs another name.")
    for what, id_type in _named(identity):
        if id_type not in known:
            raise ConfigError(f"{path}: {what} names id type «{id_type}»; defined are: {', '.join(known)}.")
    for kind, overrides in (("include", identity.include), ("exclude", identity.exclude)):
        for override in overrides:
            counts = (2,) if kind == "include" else (1, 2)
            if len(set(override.ids)) != len(override.ids) or len(override.ids) not in counts:
                wanted = "two different ids" if kind == "include" else "one id, or two different ones"
                raise ConfigError(f"{path}: {kind} takes {wanted}; found: {', '.join(override.ids) or 'none'}.")
            if not override.reason.strip():
                raise ConfigError(f"{path}: {kind} of {', '.join(override.ids)} gives no reason.")
    excluded = {frozenset(override.ids) for override in identity.exclude}
    for override in identity.include:
        if frozenset(override.ids) in excluded:
            raise ConfigError(f"{path}: {' and '.join(override.ids)} are both included and excluded.")


def split_id(text: str) -> tuple[str, str]:
    """`id_type:value` of an override as its two parts; only the first colon counts."""
    id_type, _, value = text.partition(":")
    return id_type, value


def _named(identity: Identity) -> Iterator[tuple[str, str]]:
    """Every mention of an id type, with the words that say where."""
    for edge in identity.edges:
        yield from ((f"the edge over {edge.table}", id_type) for id_type in edge.ids)
    for account in identity.accounts:
        yield from ((f"the accounts of {account.table}", id_type) for id_type in account.ids)
    for name, id_type in identity.id_types.items():
        yield from ((f"a limit of {name}", other) for other in id_type.limits)
    overrides: list[Override] = [*identity.include, *identity.exclude]
    for override in overrides:
        yield from ((f"«{text}»", split_id(text)[0]) for text in override.ids)
