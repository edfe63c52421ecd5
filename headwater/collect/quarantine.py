"""`headwater replay --quarantine`: what was kept aside goes through the collector again, after a fix.

Belongs here: choosing rows of the lake's quarantine, exporting them to be mended by hand, sending, remembering what got
through. Does not belong here: the judgement (the collector's, by `POST /v1/replay`), the warehouse, which is neither
read nor locked.

A row is put through once. That it was is known from the lake (`replays` beside the event) and, until that has landed,
from `<home>/replays/quarantine.ids`, which is written when the collector has answered. A kill in between costs nothing:
the row is sent again, under the same messageId. One that the collector took, and that a source's transformation then
failed, is in the lake's quarantine once more, and may be put through again.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from headwater.collect.replay import SCOPE
from headwater.configuration import Config
from headwater.errors import BusyError, ConfigError, DataError, UnavailableError, UsageError
from headwater.settings import Settings
from headwater.storage.lake import open_lake

ROWS_PER_REQUEST = 500
BYTES_PER_REQUEST = 1024 * 1024
_NAMES = {
    "quarantine_id": "quarantineId",
    "received_at": "receivedAt",
    "sent_at": "sentAt",
    "user_agent": "userAgent",
    "message_id": "messageId",
}
_TRIED_AGAIN = {429, 500, 502, 503, 504}
# What cannot be sent as it is: a damaged log record has no payload, bytes that are no text were kept in base64.
_CHOSEN = """
with quarantined as (
    select
        {columns},
        row_number() over (partition by quarantine_id order by filename, file_row_number) as time_met,
        max({kept_again_at}) over (partition by quarantine_id) as last_kept_at
    from read_parquet($files, union_by_name = true, filename = true, file_row_number = true)
)
select * exclude (time_met)
from quarantined
where time_met = 1 and source is not null and payload <> '' and not contains(coalesce(detail, ''), 'payload in base64')
    and ($reason is null or contains(lower(concat_ws(' ', reason, detail)), lower($reason)))
    and ($source is null or source = $source)
    and ($event is null or event = $event or type = $event)
    and ($since is null or received_at >= $since)
order by received_at, quarantine_id
"""
_COLUMNS = {
    "quarantine_id": "text", "source": "text", "reason": "text", "detail": "text", "received_at": "timestamp",
    "payload": "text", "route": "text", "sent_at": "text", "ip": "text", "user_agent": "text", "backfill": "boolean",
    "type": "text", "event": "text", "message_id": "text",
}  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """Which rows: those whose reason or detail contains `reason`, of this source and event, received since then."""

    reason: str | None = None
    source: str | None = None
    event: str | None = None
    since: datetime | None = None


@dataclass
class QuarantineReplayed:
    """What one replay did: of `chosen` rows, events that were accepted or dropped, and rows that stay, by reason."""

    chosen: int = 0
    accepted: int = 0
    dropped: int = 0
    still: Counter[str] = field(default_factory=Counter)


def choose(settings: Settings, choice: Choice) -> Iterator[dict[str, Any]]:
    """The rows that were kept aside and not put through since, oldest first.

    Raises:
        DataError: an object of the lake cannot be read.
    """
    import duckdb

    lake = open_lake(settings)
    con = duckdb.connect()
    lake.configure(con)
    try:
        files = _files(lake, "quarantine/events/")
        if not files:
            return
        sent, landed = _sent_before(settings), _landed(con, lake)
        given = con.execute("describe from read_parquet($files, union_by_name = true)", {"files": files}).fetchall()
        names = {row[0] for row in given}
        columns = ", ".join(f"{name if name in names else 'null'}::{kind} as {name}" for name, kind in _COLUMNS.items())
        values = {"reason": choice.reason, "source": choice.source, "event": choice.event, "since": choice.since}
        kept_again_at = "kept_again_at" if "kept_again_at" in names else "null::timestamp"
        sql = _CHOSEN.format(columns=columns, kept_again_at=kept_again_at)
        found = con.execute(sql, {"files": files, **values})
        while rows := found.fetchmany(1_000):
            for *row, last_kept_at in rows:
                is_under_way = row[0] in sent and (last_kept_at is None or sent[row[0]] > last_kept_at)
                if not is_under_way and row[0] not in landed:
                    yield dict(zip(_COLUMNS, row, strict=True))
    except duckdb.Error as error:
        raise DataError(f"The lake's quarantine cannot be read: {str(error).splitlines()[0]}") from error
    finally:
        con.close()


def replay_quarantine(
    settings: Settings, config: Config, rows: Iterator[dict[str, Any]], *, give_up_seconds: float = 60.0
) -> QuarantineReplayed:
    """Send rows (of `choose`, or mended ones of `read_mended`) to the running collector.

    Raises:
        ConfigError: no admin token has the scope `replay`.
        BusyError: another replay is going on.
        UnavailableError: the collector did not take them for `give_up_seconds`; those before are through.
        DataError: the collector refused a request.
    """
    token = next((t.token for t in config.platform.admin_tokens if SCOPE in t.scopes), None)
    if token is None:
        hint = "Add one:\nadmin_tokens:\n  - token: ${HEADWATER_ADMIN_TOKEN}\n    scopes: [replay]"
        raise ConfigError(f"{settings.config_dir / 'platform.yaml'} has no admin token of scope «replay».", hint=hint)
    report = QuarantineReplayed()
    with (
        _remembering(settings) as remember,
        httpx.Client(base_url=settings.collector_url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
    ):
        for chunk in _chunks(rows):
            told = _send(http, [_line(row) for row in chunk], give_up_seconds)
            still = {row["quarantineId"]: row for row in told["still"]}
            passed = [row["quarantine_id"] for row in chunk if row["quarantine_id"] not in still]
            remember(passed, told["replayedAt"])
            report.chosen += len(chunk)
            report.accepted += told["accepted"] - told["dropped"]
            report.dropped += told["dropped"]
            report.still.update(row["reason"] for row in still.values())
    return report


def export(rows: Iterator[dict[str, Any]], path: Path) -> int:
    """Write rows to a file, one a line, to be mended there; `payload` is the event where it is JSON, else its text.

    Raises:
        UsageError: the file exists: somebody's work may be in it.
    """
    count = 0
    try:
        with path.open("x", encoding="utf-8") as file:
            for row in rows:
                shown = {_NAMES.get(name, name): value for name, value in row.items() if value is not None}
                shown["receivedAt"] = row["received_at"].isoformat()
                shown["payload"] = _parsed(row["payload"])
                file.write(json.dumps(shown, ensure_ascii=False) + "\n")
                count += 1
    except FileExistsError as error:
        raise UsageError(f"{path} exists already.", hint="Name a new file.") from error
    return count


def count_by_reason(rows: Iterator[dict[str, Any]]) -> Counter[str]:
    """How many rows have each reason."""
    return Counter(f"{row['reason']} ({row['source']})" for row in rows)


def read_mended(settings: Settings, path: Path) -> Iterator[dict[str, Any]]:
    """The rows of an exported file after a person mended their payloads, but for those that are through already.
    Lines that were taken out stay kept aside.

    Raises:
        UsageError: the file cannot be read, or a line of it is no such row.
    """
    names = {shown: name for name, shown in _NAMES.items()}
    done = _sent_before(settings)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = {names.get(shown, shown): value for shown, value in json.loads(line).items()}
            row["received_at"] = datetime.fromisoformat(row["received_at"])
            is_whole = bool(row["source"] and row["quarantine_id"] and row["payload"])
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise UsageError(f"{path}, line {number}: not a row of an export: {error!r}.") from error
        if is_whole and row["quarantine_id"] not in done:
            yield dict.fromkeys(_COLUMNS) | row


def _parsed(payload: str) -> Any:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return payload
    return found if isinstance(found, dict) and json.loads(json.dumps(found)) == found else payload


def _line(row: dict[str, Any]) -> str:
    left = ("reason", "detail", "event", "received_at")
    sent = {_NAMES.get(name, name): row[name] for name in _COLUMNS if name not in left and row[name] is not None}
    return json.dumps(sent | {"receivedAt": row["received_at"].isoformat()})


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        length = len(str(row["payload"]))
        if chunk and (len(chunk) >= ROWS_PER_REQUEST or size + length > BYTES_PER_REQUEST):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += length
    if chunk:
        yield chunk


def _send(http: httpx.Client, lines: list[str], give_up_seconds: float) -> dict[str, Any]:
    until, wait = time.monotonic() + give_up_seconds, 0.25
    while True:
        try:
            answer = http.post("/v1/replay", content="\n".join(lines).encode())
        except httpx.TransportError as error:
            why = f"does not answer ({error})"
        else:
            if answer.status_code == 200:
                told: dict[str, Any] = answer.json()
                return told
            why = f"answered {answer.status_code}: {answer.text[:300]}"
            if answer.status_code not in _TRIED_AGAIN:
                raise DataError(f"The collector {why}.")
        if time.monotonic() + wait > until:
            hint = "Start it with headwater collect or headwater up."
            raise UnavailableError(f"The collector at {http.base_url} {why}.", hint=hint)
        time.sleep(wait)
        wait = min(wait * 2, 5.0)


def _files(lake: Any, prefix: str) -> list[str]:
    return [lake.uri(found.key) for found in lake.list(prefix) if found.key.endswith(".parquet")]


def _landed(con: Any, lake: Any) -> set[str]:
    """Rows whose replay has landed."""
    found: set[str] = set()
    for prefix in ("events/", "dropped/events/"):
        files = _files(lake, prefix)
        if not files:
            continue
        names = con.execute("describe from read_parquet($files, union_by_name = true)", {"files": files}).fetchall()
        if "replays" in {row[0] for row in names}:
            sql = "select distinct replays from read_parquet($files, union_by_name = true) where replays is not null"
            found |= {row[0] for row in con.execute(sql, {"files": files}).fetchall()}
    return found


def _memory(settings: Settings) -> Path:
    return settings.home / "replays" / "quarantine.ids"


def _sent_before(settings: Settings) -> dict[str, datetime]:
    """Rows that the collector took, with when it last did."""
    try:
        lines = _memory(settings).read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return {}
    found = {}
    for line in lines:
        at, _, key = line.partition(" ")
        with suppress(ValueError):  # a line that a kill has cut
            found[key] = datetime.fromisoformat(at)
    return found


@contextmanager
def _remembering(settings: Settings) -> Iterator[Any]:
    """Gives a function that notes ids for good. One replay at a time."""
    path = _memory(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BusyError("The quarantine is being replayed already.", hint="Wait until that is done.") from error

        def remember(ids: list[str], at: str) -> None:
            file.write("".join(f"{at} {one}\n" for one in ids).encode())
            file.flush()
            os.fsync(file.fileno())

        if file.tell():
            file.write(b"\n")  # ends a line that a kill may have cut
        yield remember
