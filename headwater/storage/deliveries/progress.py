"""The counts of each streaming destination, as small files under `<home>/push/`, and how each one stands.

Belongs here: what a list of destinations tells. Does not belong here: outcomes, dead letters and the place in the log
(`store`), delivering, layout.

Others (an asset, the command, the API) read the counts at any time without touching the log or the warehouse.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from headwater.configuration import Config
from headwater.settings import Settings
from headwater.storage.deliveries.store import Deliveries, delivery_path
from headwater.storage.deliveries.switch import is_enabled

_UNUSABLE = "_unusable.json"  # no destination is called so: a file that begins with «_» is none


class Progress(msgspec.Struct):
    """Counts since this home began: `failed` counts events that were given up, `filtered` also those only counted.
    `suspended` tells which transformations hang and are not asked any more."""

    delivered: int = 0
    failed: int = 0
    filtered: int = 0
    requests: int = 0
    delivered_until: datetime | None = None
    failing_since: datetime | None = None
    last_error: str = ""
    suspended: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True)
class Standing:
    """How one streaming destination stands.

    Attributes:
        delivered: events that the tool took, by a replay too.
        dead: dead letters that wait to be put through again.
        filtered: events that were kept from it on purpose.
        failing_since, last_error: what went wrong last, while it still does and it is on; or, with no time, why
            it cannot be used as it is configured.
        suspended: transformations that hang and are not asked any more, in words.
    """

    name: str
    type: str
    is_enabled: bool
    delivered: int
    dead: int
    filtered: int
    failing_since: datetime | None
    last_error: str
    suspended: str = ""


def standing(settings: Settings, config: Config, name: str) -> Standing:
    """How a destination of the config, or one that is `unusable`, stands now.

    Raises:
        UnavailableError: its delivery store cannot be read.
    """
    found, progress = config.destinations.get(name), load_progress(settings, name)
    wrong = config.unusable.get(name) or _load_unusable(settings).get(name)
    is_on = is_enabled(settings, name, found.is_enabled if found else True)
    is_failing = is_on and progress.failing_since is not None and not wrong
    dead, delivered_again = _replays(settings, name)
    return Standing(
        name=name,
        type=found.type if found else "",
        is_enabled=is_on,
        delivered=progress.delivered + delivered_again,
        dead=dead,
        filtered=progress.filtered,
        failing_since=progress.failing_since if is_failing else None,
        last_error=unusable_words(wrong) if wrong else progress.last_error if is_failing else "",
        suspended=progress.suspended if is_on else "",
    )


def unusable_words(why: str) -> str:
    """What is told of a destination that cannot be used."""
    return f"cannot be used as configured: {why}"


def save_unusable(settings: Settings, found: dict[str, str]) -> None:
    """Keep why which destinations cannot be used, as the worker sees it: who tells of them need not load any class."""
    path = settings.home / "push" / _UNUSABLE
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.encode(found))
    temporary.replace(path)


def _load_unusable(settings: Settings) -> dict[str, str]:
    try:
        return msgspec.json.decode((settings.home / "push" / _UNUSABLE).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return {}


def load_progress(settings: Settings, name: str) -> Progress:
    """The counts of one destination; zeros when it never delivered (or its file was lost, which costs only counts)."""
    try:
        return msgspec.json.decode(_path(settings, name).read_bytes(), type=Progress)
    except (OSError, msgspec.DecodeError):
        return Progress()


def save_progress(settings: Settings, name: str, progress: Progress) -> None:
    """Replace the counts whole."""
    path = _path(settings, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.encode(progress))
    temporary.replace(path)


def _path(settings: Settings, name: str) -> Path:
    return settings.home / "push" / f"{name}.json"


def _replays(settings: Settings, name: str) -> tuple[int, int]:
    """Dead letters that wait, and what a replay delivered: both are the store's, which a replay writes too."""
    path = delivery_path(settings, name)
    if not path.exists():
        return 0, 0
    store = Deliveries(path, read_only=True)
    try:
        return store.replays()
    finally:
        store.close()
