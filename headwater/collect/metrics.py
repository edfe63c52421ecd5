"""What the collector counts, as Prometheus reads it.

Belongs here: counters, the histogram, how far readers of the log are behind, the text format. Does not belong here:
deciding anything by them.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path

from headwater.collect.judge import Accepted
from headwater.errors import UnavailableError
from headwater.storage.failures import Failures
from headwater.storage.log import Disk, LogReader, LogWriter, segments

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MOST_SERIES = 500


class CountingDisk(Disk):
    """The disk of the log, with its writes and fsyncs counted."""

    def __init__(self) -> None:
        self.syncs = self.bytes = self.failures = 0
        self.sync_seconds = 0.0

    def write(self, handle: int, data: bytes | memoryview) -> int:
        try:
            written = super().write(handle, data)
        except OSError:
            self.failures += 1
            raise
        self.bytes += written
        return written

    def sync(self, handle: int) -> None:
        begun = time.perf_counter()
        try:
            super().sync(handle)
        except OSError:
            self.failures += 1
            raise
        self.syncs += 1
        self.sync_seconds += time.perf_counter() - begun


class Metrics:
    """The collector's counters, for one process, since its start."""

    def __init__(self) -> None:
        self.events: Counter[tuple[str, str, str]] = Counter()
        self.violations: Counter[tuple[str, str, str]] = Counter()
        self.requests: Counter[tuple[str, int]] = Counter()
        self._slots = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def count(self, source: str, accepted: Accepted) -> None:
        """Count the events of one request, once they are on disk."""
        dropped = sum(accepted.dropped.values())
        self._add(source, "accepted", "", accepted.count - dropped - accepted.violating)
        self._add(source, "accepted", "violates plan", accepted.violating)
        for (kind, action), number in accepted.violations.items():
            self.violations[source, kind, action] += number
        for reason, number in accepted.dropped.items():
            self._add(source, "dropped", reason, number)
        for reason, number in accepted.reasons.items():
            self._add(source, "quarantined", reason, number)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        self.requests[route, status] += 1
        self._slots[bisect_left(BOUNDS, seconds)] += 1
        self._seconds += seconds

    def total(self, outcome: str) -> int:
        """Events of one outcome: `accepted`, `dropped` or `quarantined`."""
        return sum(number for (_, found, _), number in self.events.items() if found == outcome)

    def _add(self, source: str, outcome: str, reason: str, number: int) -> None:
        if not number:
            return
        # a plan's reason ends with a path that clients choose, and a sender's own words may be anything
        key = (source, outcome, " ".join(reason.split()[:2]) if reason.startswith("plan: ") else reason[:80])
        if key not in self.events and len(self.events) >= _MOST_SERIES:
            key = (source, outcome, "other")
        self.events[key] += number

    def text(self, log: LogWriter, disk: CountingDisk | None = None) -> str:
        """All of them in Prometheus' text format; the log's folder is looked at for the readers' lag."""
        lines = _family(
            "headwater_collector_events_total",
            "counter",
            "Events by source, outcome and reason.",
            (({"source": s, "outcome": o, "reason": r}, n) for (s, o, r), n in sorted(self.events.items())),
        )
        lines += _family(
            "headwater_collector_violations_total",
            "counter",
            "Violations of the tracking plan by source, kind and what became of the event.",
            (
                ({"source": source, "kind": kind, "action": action}, n)
                for (source, kind, action), n in sorted(self.violations.items())
            ),
        )
        lines += _family(
            "headwater_collector_requests_total",
            "counter",
            "Requests by route and status.",
            (({"route": route, "status": str(status)}, n) for (route, status), n in sorted(self.requests.items())),
        )
        lines += self._histogram()
        lines += _family(
            "headwater_collector_waiting_bytes", "gauge", "Bytes not yet on disk.", [({}, log.waiting_bytes)]
        )
        if disk is not None:
            for name, help_text, value in (
                ("fsyncs_total", "Group commits.", disk.syncs),
                ("fsync_seconds_total", "Time spent in them.", disk.sync_seconds),
                ("log_bytes_total", "Bytes written to the log.", disk.bytes),
                ("log_failures_total", "Writes and fsyncs that failed.", disk.failures),
            ):
                lines += _family(f"headwater_collector_{name}", "counter", help_text, [({}, value)])
        lag = sorted(log_lag(log.directory).items())
        lines += _family(
            "headwater_log_lag_bytes",
            "gauge",
            "Bytes that a reader of the log has not passed yet.",
            (({"reader": name}, size) for name, size in lag),
        )
        lines += _family(
            "headwater_source_transformations_suspended",
            "gauge",
            "Sources whose last event was kept aside unasked, because their transformations hang.",
            (({"source": source}, 1) for source in _suspended(log.directory)),
        )
        return "\n".join(lines) + "\n"

    def _histogram(self) -> list[str]:
        name = "headwater_collector_request_seconds"
        lines = [f"# HELP {name} Time from the head of a request to its answer.", f"# TYPE {name} histogram"]
        below = 0
        for bound, number in zip((*map(str, BOUNDS), "+Inf"), self._slots, strict=True):
            below += number
            lines.append(f'{name}_bucket{{le="{bound}"}} {below}')
        return [*lines, f"{name}_sum {self._seconds:.6f}", f"{name}_count {below}"]


def log_lag(log_dir: Path) -> dict[str, int]:
    """How many bytes of the log each reader that has a saved place is behind."""
    sizes = {}
    for segment in segments(log_dir):
        try:
            sizes[segment.name] = segment.path.stat().st_size
        except FileNotFoundError:
            continue  # sealed or removed meanwhile
    lag = {}
    for path in (log_dir / "readers").glob("*.json"):
        place = LogReader(log_dir, path.stem).committed
        ahead = sum(size for name, size in sizes.items() if name >= place.segment)
        lag[path.stem] = max(ahead - (place.offset if place.segment in sizes else 0), 0)
    return lag


def _suspended(log_dir: Path) -> list[str]:
    with suppress(UnavailableError), closing(Failures(log_dir)) as failures:
        return sorted(failures.suspended())
    return []


def _family(name: str, kind: str, help_text: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> list[str]:
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value}" if inside else f"{name} {value}")
    return lines


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
