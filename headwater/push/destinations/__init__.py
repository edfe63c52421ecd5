"""The tools that can be pushed to, by `type`. A new one is a file here and a line in `CLASSES`."""

from __future__ import annotations

from headwater.configuration import Config
from headwater.errors import ConfigError
from headwater.push.destinations.base import Destination
from headwater.push.destinations.crm import Crm
from headwater.push.destinations.email import Email
from headwater.push.destinations.webhook import Webhook

CLASSES: dict[str, type[Destination]] = {cls.type: cls for cls in (Crm, Email, Webhook)}


def open_destination(config: Config, name: str) -> Destination:
    """The destination called `name` in the config.

    Raises:
        ConfigError: it is not defined, or its type is unknown.
    """
    found = config.destinations.get(name)
    if found is None:
        known = ", ".join(sorted(config.destinations)) or "none"
        raise ConfigError(f"Destination «{name}» is not defined; defined are: {known}.")
    if found.type not in CLASSES:
        raise ConfigError(
            f"destinations/{name}.yaml: type «{found.type}» is unknown; known are: {', '.join(sorted(CLASSES))}."
        )
    return CLASSES[found.type](found)
