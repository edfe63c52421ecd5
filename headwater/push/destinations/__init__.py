"""The tools that can be pushed to, by `type`. A new one is a file here: its name is the type of the class in it.

Each file is imported when its type is first asked for, so that a service pays only for the tools that it talks to.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping

from headwater.configuration import Config
from headwater.errors import ConfigError
from headwater.push.destinations.base import Destination

_SHARED = frozenset({"base", "packing"})
"""Files here that are no tool."""


class _Classes(Mapping[str, type[Destination]]):
    """Type → class, read from this folder; alphabetical."""

    def __getitem__(self, type_: str) -> type[Destination]:
        if type_ not in self:
            raise KeyError(type_)
        try:
            module = importlib.import_module(f"{__name__}.{type_}")
        except Exception as error:
            raise ConfigError(
                f"headwater/push/destinations/{type_}.py cannot be loaded: {type(error).__name__}: {error}."
            ) from error
        found = [
            one
            for one in vars(module).values()
            if isinstance(one, type) and issubclass(one, Destination) and one.__dict__.get("type") == type_
        ]
        if len(found) != 1:
            raise ConfigError(
                f"headwater/push/destinations/{type_}.py has {len(found)} classes of a destination with "
                f'`type = "{type_}"`; it must have one.'
            )
        return found[0]

    def __iter__(self) -> Iterator[str]:
        names = (found.name for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_"))
        return iter(sorted(set(names) - _SHARED))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, type_: object) -> bool:
        return type_ in set(iter(self))


CLASSES: Mapping[str, type[Destination]] = _Classes()


def open_destination(config: Config, name: str) -> Destination:
    """The destination called `name` in the config.

    Raises:
        ConfigError: it is not defined, or its type is unknown.
    """
    if name in config.unusable:
        raise ConfigError(config.unusable[name])
    found = config.destinations.get(name)
    if found is None:
        known = ", ".join(sorted(config.destinations)) or "none"
        raise ConfigError(f"Destination «{name}» is not defined; defined are: {known}.")
    if found.type not in CLASSES:
        raise ConfigError(f"destinations/{name}.yaml: type «{found.type}» is unknown; known are: {', '.join(CLASSES)}.")
    return CLASSES[found.type](found)
