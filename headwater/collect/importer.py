"""`headwater import`: a client of the collector that sends files of events, each line once.

Belongs here: which files, in which order, with which write key; sending with retries; the report. Does not belong
here: any look into an event (the collector judges), any way around the collector.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from headwater.collect.progress import Progress, file_digest, find_place, prefix_hash, save
from headwater.collect.reading import Block, read_blocks
from headwater.configuration import Config, EventSource
from headwater.errors import ConfigError, DataError, UnavailableError, UsageError
from headwater.event import NOT_JSON
from headwater.settings import Settings

T = TypeVar("T")


@dataclass
class FileReport:
    """What became of one file in this run. `reasons` counts the rows kept aside."""

    name: str
    sent: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    is_skipped: bool = False


@dataclass
class ImportReport:
    """What became of all files. `sent` are events that the collector acknowledged in this run.

    `last_event_at` is the time (UTC) of the latest event of all files, those that were sent earlier included.
    """

    files: list[FileReport] = field(default_factory=list)
    last_event_at: datetime | None = None

    @property
    def sent(self) -> int:
        return sum(file.sent for file in self.files)

    @property
    def quarantined(self) -> int:
        return sum(file.quarantined for file in self.files)

    @property
    def skipped(self) -> int:
        """Files of which nothing was left to send."""
        return sum(file.is_skipped for file in self.files)

    def text(self) -> str:
        """The report for a person."""
        lines = [f"{self.sent:,} events of {len(self.files)} files sent; {self.skipped} files had nothing new"]
        for file in self.files:
            lines += [f"  kept aside: {n:,} of {file.name}: {reason}" for reason, n in sorted(file.reasons.items())]
        return "\n".join(lines)


def import_events(
    settings: Settings,
    config: Config,
    folder: Path,
    *,
    backfill: bool = False,
    write_key: str | None = None,
    give_up_seconds: float = 60.0,
) -> ImportReport:
    """Send every `*.ndjson[.gz]` of `folder/events` (or of `folder`) to the running collector.

    Files go in the order of their names without the source's prefix (so day by day, when names end in days), lines
    in the order of the file. What was acknowledged before is not sent again; a file that has grown is continued.

    Args:
        backfill: these rows became known only now; `known_at` will be the import's time.
        write_key: for every file, instead of the one of the source that the file's name begins with.
        give_up_seconds: how long one request is tried again while the collector does not take it.

    Raises:
        UsageError: there is no such folder or no such file in it.
        ConfigError: no write key is configured, or the collector does not know it.
        UnavailableError: the collector did not answer for `give_up_seconds`, or a file cannot be read or written.
        DataError: the collector refused a request.
    """
    report = ImportReport()
    with httpx.Client(base_url=settings.collector_url, timeout=60.0) as client:
        for file, source in _files(folder, config):
            key = write_key or _write_key(config, source)
            sender = _Sender(client, key, file.name, backfill, give_up_seconds)
            try:
                done, last = _import_file(settings.imports_dir, file, sender)
            except OSError as error:
                raise UnavailableError(f"{error.filename or file}: {error.strerror}.") from error
            report.files.append(done)
            if last is not None and (report.last_event_at is None or last > report.last_event_at):
                report.last_event_at = last
    return report


def _files(folder: Path, config: Config) -> list[tuple[Path, str]]:
    """The files to send in their order, each with its source."""
    if not folder.is_dir():
        raise UsageError(f"The folder {folder} does not exist.")
    place = folder / "events" if (folder / "events").is_dir() else folder
    files = [path for pattern in ("*.ndjson", "*.ndjson.gz") for path in place.glob(pattern)]
    if not files:
        raise UsageError(f"{place} holds no *.ndjson or *.ndjson.gz file.")
    sources = sorted((n for n, s in config.sources.items() if isinstance(s, EventSource)), key=len, reverse=True)
    found = []
    for file in files:
        source = next((name for name in sources if file.name.startswith(f"{name}-")), None)
        rest = file.name.removeprefix(f"{source}-") if source else file.name
        found.append((rest, file.name, file, source or config.import_source))
    return [(file, source) for _, _, file, source in sorted(found)]


def _write_key(config: Config, source: str) -> str:
    configured = config.sources.get(source)
    if not isinstance(configured, EventSource) or not configured.write_keys:
        raise ConfigError(f"sources.yaml: «{source}» is no events source with a write key, so nothing can be imported.")
    return configured.write_keys[0]


def _import_file(folder: Path, file: Path, sender: _Sender) -> tuple[FileReport, datetime | None]:
    place = find_place(folder, file)
    progress, done = place.progress, FileReport(file.name)
    if place.is_finished:
        done.is_skipped = True
        now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        if progress.last_event_at is not None and progress.last_event_at > now:  # as older versions kept it
            progress.last_event_at = now
            save(folder, progress)
        return done, progress.last_event_at
    size, digest = file.stat().st_size, file_digest(file)
    for block in _ahead(read_blocks(file, progress.offset)):
        block = _checked_end(block)
        answer = sender.send(block, progress.lines + 1)
        _add(done, progress, answer)
        if block.size:
            progress.offset += block.size
            progress.lines += block.lines
            if block.reason:
                # an overlong line's bytes were passed over, so what is behind now is hashed anew
                place.hash = prefix_hash(file, progress.offset)
            else:
                place.hash.update(block.data)
            progress.prefix = place.hash.hexdigest()
        save(folder, progress)
    progress.size, progress.digest = size, digest
    save(folder, progress)
    return done, progress.last_event_at


def _checked_end(block: Block) -> Block:
    """A last line without a line end is sent when it is whole; else it is kept aside, and read again once it grew."""
    if block.reason or block.data.endswith(b"\n"):
        return block
    try:
        msgspec.json.decode(block.data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Block(block.data, 1, 0, NOT_JSON)
    return block


def _add(done: FileReport, progress: Progress, answer: dict[str, Any]) -> None:
    done.sent += answer["accepted"]
    done.quarantined += answer["quarantined"]
    progress.sent += answer["accepted"]
    progress.quarantined += answer["quarantined"]
    for reason, count in answer.get("reasons", {}).items():
        done.reasons[reason] = done.reasons.get(reason, 0) + count
        progress.reasons[reason] = progress.reasons.get(reason, 0) + count
    if answer.get("last_event_at"):
        last = datetime.fromisoformat(answer["last_event_at"])
        if progress.last_event_at is None or last > progress.last_event_at:
            progress.last_event_at = last


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, the next one already being read while the last is sent."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, items, None)
        while (item := waiting.result()) is not None:
            waiting = pool.submit(next, items, None)
            yield item


@dataclass
class _Sender:
    """Sends blocks of one file and does not give up at the first refusal."""

    client: httpx.Client
    write_key: str
    file: str
    backfill: bool
    give_up_seconds: float

    def send(self, block: Block, line: int) -> dict[str, Any]:
        headers = {"X-Write-Key": self.write_key}
        params: dict[str, Any] = {"backfill": "true"} if self.backfill else {}
        if block.reason:
            row = {"payload": block.data.decode(errors="replace"), "reason": block.reason, "file": self.file}
            content = msgspec.json.encode({"batch": [], "rejected": [row | {"line": line}]})
        else:
            content = block.data
            headers["Content-Type"] = "application/x-ndjson"
            params |= {"file": self.file, "line": line}
        return self._post(content, headers, params)

    def _post(self, content: bytes, headers: dict[str, str], params: dict[str, Any]) -> dict[str, Any]:
        until = time.monotonic() + self.give_up_seconds
        pause = 0.1
        while True:
            try:
                answer = self.client.post("/v1/import", content=content, headers=headers, params=params)
                if answer.status_code == 200:
                    return answer.json()
                problem = f"it answered {answer.status_code}: {answer.text[:300]}"
                if answer.status_code == 401:
                    raise ConfigError(f"The collector at {self.client.base_url} does not know the write key in use.")
                if answer.status_code not in (408, 429, 500, 502, 503, 504):
                    raise DataError(f"The collector at {self.client.base_url} refused lines of {self.file}: {problem}")
                retry_after = answer.headers.get("retry-after", "")
                pause = max(pause, float(retry_after)) if retry_after.isdigit() else pause
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            if time.monotonic() + pause > until:
                raise UnavailableError(
                    f"The collector at {self.client.base_url} does not take events: {problem}.",
                    hint="Start it with `headwater collect`, then run the import again: it goes on where it was.",
                )
            time.sleep(pause)
            pause = min(pause * 2, 5.0)
