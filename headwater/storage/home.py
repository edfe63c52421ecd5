"""The home: whose data it holds, and what every process of it must agree on.

Belongs here: `home.json` (which company or data folder, the latest as-of time), claiming a home, the lock
that keeps two entrances apart, and the check that the disk can be written. Does not belong here: what the rooms keep
below it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from headwater.errors import BusyError, HeadwaterError, UnavailableError, UsageError
from headwater.settings import Settings

EXAMPLE = "the example company"
# how the system, SQLite and DuckDB say it
FULL_DISK = ("No space left on device", "no space is left", "database or disk is full")
_CLOCKS_DIFFER = timedelta(days=1)
_PROBE_BYTES = 256 * 1024


@dataclass(frozen=True)
class Home:
    """What `home.json` says.

    `holds` is `EXAMPLE` or the absolute path of the data folder; `config` is the config folder used last; `lake` is
    where the lake is, None in the home itself.
    """

    holds: str
    as_of: datetime | None = None
    config: str | None = None
    lake: str | None = None

    @property
    def data_dir(self) -> Path | None:
        """The folder given as DATA, or None for the example company."""
        return None if self.holds == EXAMPLE else Path(self.holds)


def read_home(settings: Settings) -> Home | None:
    """The home's record, or None when nothing has claimed it yet. A «now» that is still to come counts as none: rows of
    the year 9999 gave it to homes of older versions."""
    try:
        record = json.loads((settings.home / "home.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    as_of = datetime.fromisoformat(record["as_of"]) if record.get("as_of") else None
    return Home(
        holds=record["holds"],
        as_of=as_of if as_of is not None and as_of <= datetime.now(UTC).replace(tzinfo=None) + _CLOCKS_DIFFER else None,
        config=record.get("config"),
        lake=record.get("lake"),
    )


def held_data(settings: Settings) -> Path | None:
    """The data folder that this home holds already, if any."""
    home = read_home(settings)
    return home.data_dir if home else None


def claim_home(settings: Settings, data_dir: Path | None) -> Home:
    """Make the home belong to `data_dir` (None: the example company) and to the lake of the settings, or find that it
    already does.

    Raises:
        UsageError: it holds other data, or has rows of another lake.
        UnavailableError: it cannot be written.
    """
    home = read_home(settings)
    holds = str(data_dir.resolve()) if data_dir else EXAMPLE
    if home and home.holds != holds:
        raise UsageError(
            f"The home {settings.home} holds {home.holds}, not {holds}; one home holds one company.",
            hint="Set HEADWATER_HOME to another folder.",
        )
    lake = None if settings.lake_url == settings.own_lake else settings.lake_url
    before = home.lake if home else None
    was_used = settings.warehouse.exists() and (before or Path(settings.own_lake).exists())
    if before != lake and was_used:
        raise UsageError(
            f"The home {settings.home} has its lake at {before or settings.own_lake}, not at {settings.lake_url}.",
            hint="Set HEADWATER_HOME to another folder; a lake moves by copying it and changing «lake» in home.json.",
        )
    return write_home(settings, replace(home or Home(holds=holds), config=str(settings.config_dir), lake=lake))


def write_home(settings: Settings, home: Home) -> Home:
    """Write `home.json` whole or not at all.

    Raises:
        UnavailableError: the folder cannot be written; says why.
    """
    path = settings.home / "home.json"
    temporary = path.with_suffix(".tmp")
    record = asdict(home) | {"as_of": home.as_of.isoformat(sep=" ") if home.as_of else None}
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(record, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise unwritable(settings.home, error) from error
    return home


def advance_as_of(settings: Settings, as_of: datetime) -> Home:
    """Record «now»: the as-of time that the next run uses until new data arrives. It never goes backwards.

    Entrances and Dagster's runs call it at the same time.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "home.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        home = read_home(settings) or Home(holds=EXAMPLE)
        if home.as_of is not None and home.as_of >= as_of:
            return home
        return write_home(settings, replace(home, as_of=as_of))


def unwritable(path: Path, error: OSError) -> UnavailableError:
    """One sentence for a disk that is full, read-only or not ours."""
    reason = "no space is left on its disk" if error.errno == errno.ENOSPC else (error.strerror or str(error)).lower()
    return UnavailableError(f"{path} cannot be written: {reason}.", hint="Free space or set HEADWATER_HOME elsewhere.")


@contextmanager
def full_disk_named(settings: Settings) -> Iterator[None]:
    """Whatever fails inside because the home's disk is full says that, and not what it led to.

    Raises:
        UnavailableError: no space is left.
    """
    try:
        yield
    except (HeadwaterError, OSError) as error:
        if any(words in str(error) for words in FULL_DISK) or _is_full(settings.home):
            raise unwritable(settings.home, OSError(errno.ENOSPC, "")) from error
        raise


def _is_full(home: Path) -> bool:
    probe = home / "space.tmp"
    try:
        probe.write_bytes(bytes(_PROBE_BYTES))
    except OSError as error:
        return error.errno == errno.ENOSPC
    finally:
        with suppress(OSError):
            probe.unlink()
    return False


@contextmanager
def entrance_lock(settings: Settings, command: str) -> Iterator[None]:
    """Hold the home for one entrance (`run` or `up`). The kernel frees it when the process dies, however it dies.

    Raises:
        BusyError: another entrance holds it; names its command and process.
    """
    path = settings.home / "entrance.lock"
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise unwritable(settings.home, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise BusyError(
                f"{settings.home} is in use by {file.read().strip() or 'another process'}.",
                hint="Stop that first, or set HEADWATER_HOME to another folder.",
            ) from error
        file.truncate(0)
        file.write(f"{command} (process {os.getpid()})")
        file.flush()
        yield
