"""What destinations say that they have: their own reports by day and event, into the lake.

Belongs here: asking the tools whose config has a `counts_url`, and keeping their answers. Does not belong here: what
we say that they have (`deliveries`), comparing (`marts.reconciliation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

from headwater.configuration import Config
from headwater.land.deliveries import written
from headwater.land.objects import STAMP
from headwater.settings import Settings
from headwater.storage.deliveries import Deliveries, delivery_paths
from headwater.storage.lake import content_digest, open_lake

READ_AT = "headwater.read_at"

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

    A report is kept when it says something new, or says the same of more deliveries. Land deliveries after it: all that
    the tool had taken is then among them.

    Raises:
        UnavailableError: the lake cannot be written, or a delivery store cannot be read.
    """
    lake, stores = open_lake(settings), delivery_paths(settings)
    landed, failed = CountsLanded({}, {}), {}
    for name, destination in config.destinations.items():
        if not destination.counts_url:
            continue
        headers = {"Authorization": f"Bearer {destination.token}"} if destination.token else {}
        now = datetime.now(UTC).replace(tzinfo=None)  # before it is asked: what was delivered by then is in the report
        delivered = _delivered(stores[name]) if name in stores else 0
        try:
            answer = httpx.get(destination.counts_url, headers=headers, timeout=30, trust_env=False)
            answer.raise_for_status()
            rows = _report(answer.json())
        except (httpx.HTTPError, ValueError, TypeError, KeyError) as error:
            failed[name] = f"{destination.counts_url}: {error or type(error).__name__}"
            continue
        digest = content_digest(repr((rows, delivered)).encode())
        held = lake.list(f"destination_counts/{name}/")
        if held and held[-1].key.endswith(f"-{digest}.parquet"):
            continue
        full = [{"destination": name, "read_at": now, **row} for row in rows]
        content = written(pa.Table.from_pylist(full, schema=_SCHEMA), {READ_AT: now.isoformat()})
        lake.put(f"destination_counts/{name}/{now.strftime(STAMP)}-{digest}.parquet", content)
        landed.rows[name] = len(rows)
    landed.failed.update(failed)
    return landed


def _delivered(path: Path) -> int:
    store = Deliveries(path, read_only=True)
    try:
        return store.counts().get("delivered", 0)
    finally:
        store.close()


def _report(content: Any) -> list[dict[str, Any]]:
    """The rows of a report.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    return [
        {"day": date.fromisoformat(row["day"][:10]), "event": str(row["event"]), "events": int(row["count"])}
        for row in content
    ]
