"""What arrived and what became of it at each destination, from the lake into `raw`.

Belongs here: `raw.deliveries`, `raw.delivery_counts`, `raw.delivery_places`, `raw.destination_counts`,
`raw.destination_reports`, `raw.destinations` (which the config has now) and `raw.arrivals`, which counts every event of
the log by what the lander made of it. Does not belong here: comparing them: `marts.reconciliation` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import msgspec
from duckdb import DuckDBPyConnection

from headwater.load import ledger
from headwater.storage.lake import Lake
from headwater.storage.warehouse import transaction

PLACE, READ_AT = "headwater.place", "headwater.read_at"
ARRIVED = {"events/": "accepted", "quarantine/events/": "quarantined", "dropped/events/": "dropped"}
_NAME = "case when type = 'track' then coalesce(event, '') else '' end"


@dataclass(frozen=True)
class DeliveriesLoaded:
    """Rows that were new."""

    deliveries: int
    arrivals: int


@dataclass(frozen=True)
class StreamingDestination:
    """A streaming destination of the config. Without `knows_repeats` its tool counts what comes again once more; of the
    `counted_types` of events its report has as many as were delivered."""

    name: str
    type: str
    knows_repeats: bool
    counted_types: tuple[str, ...] = ("track",)


def load_deliveries(
    con: DuckDBPyConnection, lake: Lake, destinations: Sequence[StreamingDestination]
) -> DeliveriesLoaded:
    """Load everything of the lake that tells of deliveries and is not loaded yet; note the `destinations` of now.

    Raises:
        DataError: an object cannot be read; those before it are loaded.
    """
    lake.configure(con)
    with transaction(con):
        con.execute("delete from raw.destinations")
        for one in destinations:
            con.execute(
                "insert into raw.destinations (destination, type, knows_repeats, counted_types) values (?, ?, ?, ?)",
                [one.name, one.type, one.knows_repeats, f",{','.join(one.counted_types)},"],
            )
    arrivals = sum(_load_arrivals(con, lake, prefix, status) for prefix, status in ARRIVED.items())
    rows = _append(con, lake, "deliveries/", "raw.deliveries")
    _renew(con, lake, "delivery_counts/", "raw.delivery_counts")
    _renew(con, lake, "destination_counts/", "raw.destination_counts")
    return DeliveriesLoaded(rows, arrivals)


def _load_arrivals(con: DuckDBPyConnection, lake: Lake, prefix: str, status: str) -> int:
    """Events by log segment, day and name. An object of the lake is named after its segment; those kept aside carry a
    digest behind it."""
    target, total = f"raw.arrivals:{status}", 0
    for key in ledger.waiting(con, lake, prefix, target):
        name = key.rsplit("/", 1)[1].removesuffix(".parquet")
        segment = name if status == "accepted" else name.rsplit("-", 1)[0]
        uri = lake.uri(key)
        try:
            given = {row[0] for row in con.execute("describe from read_parquet(?)", [uri]).fetchall()}
            columns = ", ".join(
                f"{column if column in given else 'null'}::text as {column}" for column in ("type", "event")
            )
            with transaction(con):
                found = con.execute(
                    f"""insert into raw.arrivals by name
                    with landed as (select source, received_at, {columns} from read_parquet(?))
                    select ? as lake_object, ? as segment, ? as status, coalesce(source, '') as source,
                           coalesce(type, '') as type, {_NAME} as event, received_at::date as received_date,
                           count(*) as events
                    from landed group by all returning events""",
                    [uri, key, segment, status],
                ).fetchall()
                ledger.record(con, target, [(key, sum(row[0] for row in found))])
        except duckdb.Error as error:
            raise ledger.failure(f"{key} cannot be counted", error) from error
        total += sum(row[0] for row in found)
    return total


def _append(con: DuckDBPyConnection, lake: Lake, prefix: str, target: str) -> int:
    keys = ledger.waiting(con, lake, prefix, target)
    measured = ledger.measure(con, lake, keys)
    for group in ledger.groups(measured):
        try:
            with transaction(con):
                uris = [lake.uri(item.key) for item in group]
                con.execute(f"insert into {target} by name from read_parquet(?)", [uris])
                ledger.record(con, target, [(item.key, item.rows) for item in group])
        except duckdb.Error as error:
            raise ledger.failure(f"{group[0].key} cannot be loaded", error) from error
    return sum(item.rows for item in measured)


def _renew(con: DuckDBPyConnection, lake: Lake, prefix: str, target: str) -> None:
    """Each destination's latest picture takes the place of the one before."""
    latest: dict[str, list[str]] = {}
    for key in ledger.waiting(con, lake, prefix, target):
        latest.setdefault(key.split("/")[1], []).append(key)
    for destination, keys in latest.items():
        try:
            with transaction(con):
                con.execute(f"delete from {target} where destination = ?", [destination])
                con.execute(f"insert into {target} by name from read_parquet(?)", [lake.uri(keys[-1])])
                _renew_told(con, lake, destination, keys[-1])
                ledger.record(con, target, [(key, 0) for key in keys])
        except duckdb.Error as error:
            raise ledger.failure(f"{keys[-1]} cannot be loaded", error) from error


def _renew_told(con: DuckDBPyConnection, lake: Lake, destination: str, key: str) -> None:
    """What an object says of itself: how far the destination is in the log, or when its tool's report was read."""
    place = ledger.metadata(con, lake, [key], PLACE).get(key)
    if place:
        told = msgspec.json.decode(place)
        con.execute("delete from raw.delivery_places where destination = ?", [destination])
        con.execute(
            "insert into raw.delivery_places (destination, segment, is_whole) values (?, ?, ?)",
            [destination, told["segment"], told["is_whole"]],
        )
    read_at = ledger.metadata(con, lake, [key], READ_AT).get(key)
    if read_at:
        con.execute("delete from raw.destination_reports where destination = ?", [destination])
        con.execute(
            "insert into raw.destination_reports (destination, read_at) values (?, ?)",
            [destination, datetime.fromisoformat(read_at)],
        )
