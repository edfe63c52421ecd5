"""`python -m tests.orchestration.reader FILE`: a program that only reads, as a notebook or a BI tool does.

Belongs here: opening the read copy again and again until standard input ends, and holding what it says against
itself. It imports nothing of ours. It prints how often it looked and how many different copies it saw.
"""

from __future__ import annotations

import json
import select
import sys
from pathlib import Path

import duckdb

# Each pair is written in one transaction, or in one `dbt build`: in a whole copy they always agree.
PAIRS = {
    "raw.events and its ledger": (
        "select count(*) from raw.events",
        "select coalesce(sum(rows), 0) from raw.loaded_objects where target = 'raw.events'",
    ),
    "the events tables and their ledger": (
        "select (select count(*) from events.tracks) + (select count(*) from events.identifies)"
        " + (select count(*) from events.pages)",
        "select coalesce(sum(rows), 0) from raw.loaded_objects where target = 'events'",
    ),
    "people and their identifiers": (
        "select count(distinct customer_id) from identity.identifiers",
        "select count(*) from identity.identifiers where id_type = 'customer_id'",
    ),
    "the 360 and the orders": (
        "select coalesce(sum(count_orders), 0) from marts.customer_360",
        "select count(*) from marts.orders where kind = 'sale' and customer_id is not null",
    ),
}


def look(path: Path) -> None:
    """One look at the copy as it is now."""
    with duckdb.connect(str(path), read_only=True) as con:
        tables = {
            f"{schema}.{name}"
            for schema, name in con.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        }
        for what, (left, right) in PAIRS.items():
            if "marts.customer_360" in (left + right) and "marts.customer_360" not in tables:
                continue
            found = con.execute(left).fetchone(), con.execute(right).fetchone()
            assert found[0] == found[1], f"{what}: {found}"


def main() -> None:
    path = Path(sys.argv[1])
    looks, copies = 0, set()
    while True:
        copies.add(path.stat().st_ino)
        look(path)
        looks += 1
        if select.select([sys.stdin], [], [], 0.3)[0]:
            break
    look(path)
    print(json.dumps({"looks": looks, "copies": len(copies)}))


if __name__ == "__main__":
    main()
