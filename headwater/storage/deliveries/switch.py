"""Switching a streaming destination on and off while everything runs.

Belongs here: the switch, a small file that anybody may turn and the delivery process reads. Does not belong here: what
becomes of events while it is off (`headwater.push`).

Until somebody turns it, `is_enabled` of `destinations/<name>.yaml` holds; what was turned stays so over restarts.
"""

from __future__ import annotations

import os
from pathlib import Path

from headwater.errors import UnavailableError
from headwater.settings import Settings


def is_enabled(settings: Settings, name: str, default: bool) -> bool:
    """Whether events are delivered to a destination now; `default` is what its config says."""
    try:
        return switch_path(settings, name).read_text().strip() != "off"
    except OSError:
        return default


def set_enabled(settings: Settings, name: str, enabled: bool) -> None:
    """Turn the switch; a running worker follows within a second.

    Raises:
        UnavailableError: it cannot be written.
    """
    path = switch_path(settings, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".switch.{os.getpid()}")
        temporary.write_text("on\n" if enabled else "off\n")
        temporary.replace(path)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}.") from error


def switch_path(settings: Settings, name: str) -> Path:
    """Where the switch is."""
    return settings.home / "push" / f"{name}.switch"
