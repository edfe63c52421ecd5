"""`headwater replay --quarantine`: what was kept aside goes through the collector again, after a fix.

Belongs here: choosing rows of the lake's quarantine, exporting them to be mended by hand, sending. Does not belong
here: the judgement and the marks of what went through (the collector's, by `POST /v1/replay`), the warehouse, which is
neither read nor locked.

A row is put through once: the collector sees to it, whoever sends the row, and however often. What is known to be
through, from its marks (`replayed`) or from the lake (`replays` beside the event), is not even sent. One that the
collector took, and that a source's transformation then failed, is in the lake's quarantine once more, and may be put
through again.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from headwater.collect.replay import SCOPE
from headwater.collect.replayed import Replayed
from headwater.configuration import Config
from headwater.errors import ConfigError, DataError, UnavailableError, UsageError
from headwater.policy.choice import Choice
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
    "kept_again_at": "keptAgainAt",
}
_TRIED_AGAIN = {429, 500, 502, 503, 504}
# What cannot be sent as it is: a damaged log record has no payload, bytes that are no text were kept in base64.
_CHOSEN = """
with kept as (
    select {columns}, filename, file_row_number
    from read_parquet($files, union_by_name = true, filename = true, file_row_number = true)
),
quarantined as (
    select
        *,
        row_number() over (partition by quarantine_id order by filename, file_row_number) as time_met,
        max(kept_again_at) over (partition by quarantine_id) as last_kept_at
    from kept
)
select * exclude (filename, file_row_number, kept_again_at, time_met, last_kept_at), last_kept_at
from quarantined
where time_met = 1 and source is not null and payload <> '' and not contains(coalesce(detail, ''), 'payload in base64')
    and ($reason is null or contains(lower(concat_ws(' ', reason, detail)), lower($reason)))
    and ($source is null or source = $source)
    and ($event is null or event = $event or type = $event)
    and ($since is null or received_at >= $since)
    and ($until is null or received_at < $until)
    and (len($ids::varchar[]) = 0 or list_contains($ids, quarantine_id) or list_contains($ids, message_id))
order by received_at, quarantine_id
"""
_COLUMNS = {
    "quarantine_id": "text", "source": "text", "reason": "text", "detail": "text", "received_at": "timestamp",
    "payload": "text", "route": "text", "sent_at": "text", "ip": "text", "user_agent": "text", "backfill": "boolean",
    "type": "text", "event": "text", "message_id": "text", "kept_again_at": "timestamp",
}  # fmt: skip


@dataclass
class QuarantineReplayed:
    """What one replay did: of `chosen` rows, events that were accepted or dropped, and rows that stay, by reason;
    beside them `already`, the rows that had been put through before, and `waiting`, those that have not landed yet."""

    chosen: int = 0
    accepted: int = 0
    dropped: int = 0
    already: int = 0
    waiting: int = 0
    still: Counter[str] = field(default_factory=Counter)


class Chosen:
    """The rows of a choice that were kept aside and not put through since, oldest first. Iterate once.

    Attributes:
        already: how many more the choice is for, that have been put through; complete after iterating.
    """

    def __init__(self, settings: Settings, choice: Choice) -> None:
        self.already = 0
        self._settings, self._choice = settings, choice

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Raises:
        DataError: an object of the lake cannot be read.
        """
        import duckdb

        lake = open_lake(self._settings)
        con = duckdb.connect()
        lake.configure(con)
        marks = Replayed(self._settings.log_dir)
        try:
            files = _files(lake, "quarantine/events/")
            if not files:
                return
            landed = _landed(con, lake)
            given = con.execute("describe from read_parquet($files, union_by_name = true)", {"files": files}).fetchall()
            names = {row[0] for row in given}
            columns = ", ".join(
                f"{name if name in names else 'null'}::{kind} as {name}" for name, kind in _COLUMNS.items()
            )
            values = {**vars(self._choice), "ids": list(self._choice.ids)}
            found = con.execute(_CHOSEN.format(columns=columns), {"files": files, **values})
            while chunk := found.fetchmany(1_000):
                rows = [dict(zip(_COLUMNS, row, strict=True)) for row in chunk]
                sent = marks.when(row["quarantine_id"] for row in rows)
                for row in rows:
                    key, again = row["quarantine_id"], row["kept_again_at"]
                    if key in landed or (key in sent and (again is None or sent[key] > again)):
                        self.already += 1
                    else:
                        yield row
        except duckdb.Error as error:
            raise DataError(f"The lake's quarantine cannot be read: {str(error).splitlines()[0]}") from error
        finally:
            con.close()


def replay_quarantine(
    settings: Settings, config: Config, rows: Iterable[dict[str, Any]], *, give_up_seconds: float = 60.0
) -> QuarantineReplayed:
    """Send rows (`Chosen`, or mended ones of `read_mended`) to the running collector.

    Raises:
        ConfigError: no admin token has the scope `replay`.
        UnavailableError: the collector did not take them for `give_up_seconds`; those before are through.
        DataError: the collector refused a request.
    """
    token = next((t.token for t in config.platform.admin_tokens if SCOPE in t.scopes), None)
    if token is None:
        hint = "Add one:\nadmin_tokens:\n  - token: ${HEADWATER_ADMIN_TOKEN}\n    scopes: [replay]"
        raise ConfigError(f"{settings.config_dir / 'platform.yaml'} has no admin token of scope «replay».", hint=hint)
    report = QuarantineReplayed()
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=settings.collector_url, headers=headers, timeout=60, trust_env=False) as http:
        for chunk in _chunks(rows):
            told = _send(http, [_line(row) for row in chunk], give_up_seconds)
            report.chosen += len(chunk) - told["alreadyReplayed"]
            report.accepted += told["accepted"] - told["dropped"]
            report.dropped += told["dropped"]
            report.already += told["alreadyReplayed"]
            report.still.update(row["reason"] for row in told["still"])
    report.already += rows.already if isinstance(rows, Chosen) else 0
    return report


def export(rows: Iterable[dict[str, Any]], path: Path) -> int:
    """Write rows to a file, one a line, to be mended there; `payload` is the event where it is JSON, else its text.

    Raises:
        UsageError: the file exists: somebody's work may be in it.
    """
    count = 0
    try:
        with path.open("x", encoding="utf-8") as file:
            for row in rows:
                shown = {_NAMES.get(name, name): value for name, value in row.items() if value is not None}
                shown |= _times(row)
                shown["payload"] = _parsed(row["payload"])
                file.write(json.dumps(shown, ensure_ascii=False) + "\n")
                count += 1
    except FileExistsError as error:
        raise UsageError(f"{path} exists already.", hint="Name a new file.") from error
    return count


def count_by_reason(rows: Iterable[dict[str, Any]]) -> Counter[str]:
    """How many rows have each reason."""
    return Counter(f"{row['reason']} ({row['source']})" for row in rows)


def read_mended(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of an exported file after a person mended their payloads. Lines that were taken out stay kept aside.

    Raises:
        UsageError: the file cannot be read, or a line of it is no such row.
    """
    names = {shown: name for name, shown in _NAMES.items()}
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
            if row.get("kept_again_at"):
                row["kept_again_at"] = datetime.fromisoformat(row["kept_again_at"])
            is_whole = bool(row["source"] and row["quarantine_id"] and row["payload"])
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise UsageError(f"{path}, line {number}: not a row of an export: {error!r}.") from error
        if is_whole:
            yield dict.fromkeys(_COLUMNS) | row


def _parsed(payload: str) -> Any:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return payload
    return found if isinstance(found, dict) and json.loads(json.dumps(found)) == found else payload


def _line(row: dict[str, Any]) -> str:
    left = ("reason", "detail", "event", "received_at", "kept_again_at")
    sent = {_NAMES.get(name, name): row[name] for name in _COLUMNS if name not in left and row[name] is not None}
    return json.dumps(sent | _times(row))


def _times(row: dict[str, Any]) -> dict[str, str]:
    return {_NAMES[name]: row[name].isoformat() for name in ("received_at", "kept_again_at") if row[name] is not None}


def _chunks(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
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
