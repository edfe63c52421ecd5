"""`make bench`: prints each benchmark's table and writes `var/bench/<name>.json`.

Belongs here: running them and showing the result. Does not belong here: any measuring.
"""

from __future__ import annotations

import json

from benchmarks import collector, collector_live, dbt, delivery, extracts, flow, identity, loading
from benchmarks.rows import line
from headwater.settings import CHECKOUT

BENCHMARKS = {
    "collector": collector.measures,
    "collector_live": collector_live.measures,
    "delivery": delivery.measures,
    "extracts": extracts.measures,
    "loading": loading.measures,
    "identity": identity.measures,
    "dbt": dbt.measures,
    "flow": flow.measures,
}


def main() -> None:
    """Run all benchmarks, one after the other."""
    folder = CHECKOUT / "var" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    for name, measure in BENCHMARKS.items():
        rows = measure()
        (folder / f"{name}.json").write_text(json.dumps(rows, indent=2))
        print(name)
        for each in rows:
            print(f"  {line(each)}")


if __name__ == "__main__":
    main()
