"""Whether streaming destinations can be used as they are configured, without asking any tool.

Belongs here: opening a destination's class for events. Does not belong here: the shape of the files
(`headwater.configuration`), whether the tool answers (`stream`).
"""

from __future__ import annotations

from headwater.configuration import Config
from headwater.errors import ConfigError
from headwater.push.destinations import open_destination
from headwater.push.destinations.base import Direct, EventDestination


def check(config: Config, name: str) -> EventDestination | Direct:
    """The destination's class, opened.

    Raises:
        ConfigError: it has no `stream:`, its settings are wrong, or its type cannot take events.
    """
    destination = open_destination(config, name)
    if destination.config.stream is not None and isinstance(destination, EventDestination | Direct):
        return destination
    lacks = (
        "no `stream:` part" if destination.config.stream is None else f"type {destination.type}, which takes no events"
    )
    raise ConfigError(f"destinations/{name}.yaml has {lacks}, so events cannot be delivered to it.")


def faults(config: Config) -> dict[str, ConfigError]:
    """Why which streaming destinations cannot be used, by name."""
    found = {name: ConfigError(why) for name, why in config.unusable.items()}
    for name, destination in config.destinations.items():
        if destination.stream is not None:
            try:
                check(config, name)
            except ConfigError as error:
                found[name] = error
            except Exception as error:  # noqa: BLE001 - whatever a class raises harms its own destinations only
                found[name] = ConfigError(f"destinations/{name}.yaml: {type(error).__name__}: {error}.")
    return found


def words(fault: ConfigError, name: str) -> str:
    """Why a destination cannot be used, with its file."""
    return str(fault) if f"{name}.yaml" in str(fault) else f"destinations/{name}.yaml: {fault}"


def refuse_faults(config: Config) -> None:
    """For a command, after it has shown what it can.

    Raises:
        ConfigError: destinations cannot be used; names each with the reason.
    """
    found = faults(config)
    if found:
        told = "; ".join(f"{name}: {words(error, name).removesuffix('.')}" for name, error in found.items())
        raise ConfigError(
            f"Not usable as configured: {told}.",
            hint="A running worker goes on with what they were before; one that starts leaves them out until then.",
        )
