"""Sealed segments go when nobody needs them any more.

Belongs here: who must have read a segment, since when everybody has, removing it. Does not belong here: when this is
done (the lander does it after each landing), reading.

A segment is removed when the lander, every streaming destination that the config names and the live sessions have
passed it, and `retention_days` have gone by since that was first seen. A destination that never started holds
everything; one that the config no longer names holds nothing. The lander always counts, so that nothing leaves the log
that is not in the lake.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from headwater.configuration import Config
from headwater.storage.log.disk import DISK
from headwater.storage.log.reader import Position, saved_positions
from headwater.storage.log.segment import Segment, segments

LANDER = "lander"
SESSIONS = "online-sessions"
_DESTINATION = "push-"
_PASSED = "passed.json"


def destination_reader(name: str) -> str:
    """The name of the reader that delivers to a streaming destination."""
    return _DESTINATION + name


def holding_readers(directory: Path, config: Config) -> set[str]:
    """The names of the readers that must have passed a segment before it may go.

    Beside the lander and the configured destinations: whoever has saved a place here and is no destination, such as
    the live sessions, which miss nothing before they first ran.
    """
    streaming = {name for name, each in config.destinations.items() if each.stream is not None}
    # of a file that cannot be read nobody knows whether it streams
    configured = {destination_reader(name) for name in streaming | set(config.unusable)}
    others = {name for name in saved_positions(directory) if not name.startswith(_DESTINATION)}
    return {LANDER} | configured | others


def remove_passed(directory: Path, config: Config, now: datetime) -> list[str]:
    """Remove what everybody has read and is older than the retention.

    Args:
        directory: the log folder.
        config: says which destinations read the log, and the retention.
        now: UTC, without an offset.

    Returns:
        the names of the segments removed, oldest first.
    """
    places = saved_positions(directory)
    slowest = min(places.get(name, Position()) for name in holding_readers(directory, config))
    passed = [segment for segment in segments(directory) if segment.is_sealed and _is_behind(segment, slowest)]
    since = _load(directory / _PASSED)
    known = {segment.name: since.get(segment.name, now) for segment in passed}
    retention = timedelta(days=config.platform.collector.retention_days)
    due = [segment for segment in passed if now - known[segment.name] >= retention]
    for segment in due:
        segment.path.unlink(missing_ok=True)
        del known[segment.name]
    if due:
        DISK.sync_directory(directory)
    if known != since:
        _save(directory / _PASSED, known)
    return [segment.name for segment in due]


def _is_behind(segment: Segment, place: Position) -> bool:
    if segment.name != place.segment:
        return segment.name < place.segment
    return place.offset >= segment.path.stat().st_size


def _load(path: Path) -> dict[str, datetime]:
    """Since when each segment is known to be passed; a lost file only makes them stay for another retention."""
    try:
        return {str(name): datetime.fromisoformat(text) for name, text in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _save(path: Path, since: dict[str, datetime]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({name: moment.isoformat() for name, moment in since.items()}))
    temporary.replace(path)
