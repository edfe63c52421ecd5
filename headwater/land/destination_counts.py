"""What destinations say that they have: their own reports by day and event, into the lake.

Belongs here: asking the tools whose config has a `counts_url`, and keeping their answers. Does not belong here: what
we say that they have (`deliveries`), comparing (`marts.reconciliation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pyarrow as pa

from headwater.configuration import Config
from headwater.land.deliveries import written
from headwater.land.objects import STAMP
from headwater.settings import Settings
from headwater.storage.lake import content_digest, open_lake

_SCHEMA = pa.schema(
    {
        "destination": pa.string(),
        "day": pa.date32(),
        "event": pa.string(),
        "events": pa.int64(),
        "read_at": pa.timestamp("us"),
    }
)


@dataclass(frozen=True)
class CountsLanded:
    """Rows of the reports that were new, by destination; `failed` says why a tool's report could not be had."""

    rows: dict[str, int]
    failed: dict[str, str]


def land_destination_counts(settings: Settings, config: Config) -> CountsLanded:
    """Ask every tool that reports; one that does not answer keeps its last report.

    Raises:
        UnavailableError: the lake cannot be written.
    """
    lake = open_lake(settings)
    landed, failed = CountsLanded({}, {}), {}
    for name, destination in config.destinations.items():
        if not destination.counts_url:
            continue
        headers = {"Authorization": f"Bearer {destination.token}"} if destination.token else {}
        try:
            answer = httpx.get(destination.counts_url, headers=headers, timeout=30, trust_env=False)
            answer.raise_for_status()
            rows = _report(answer.json())
        except (httpx.HTTPError, ValueError, TypeError, KeyError) as error:
            failed[name] = f"{destination.counts_url}: {error or type(error).__name__}"
            continue
        now = datetime.now(UTC).replace(tzinfo=None)
        digest = content_digest(repr(rows).encode())
        held = lake.list(f"destination_counts/{name}/")
        if held and held[-1].key.endswith(f"-{digest}.parquet"):
            continue
        full = [{"destination": name, "read_at": now, **row} for row in rows]
        content = written(pa.Table.from_pylist(full, schema=_SCHEMA))
        lake.put(f"destination_counts/{name}/{now.strftime(STAMP)}-{digest}.parquet", content)
        landed.rows[name] = len(rows)
    landed.failed.update(failed)
    return landed


def _report(content: Any) -> list[dict[str, Any]]:
    """The rows of a report.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    return [
        {"day": date.fromisoformat(row["day"][:10]), "event": str(row["event"]), "events": int(row["count"])}
        for row in content
    ]
