"""Records that were kept aside, from the lake into `raw.quarantine`, where a person finds them with their reason.

Belongs here: loading them, each once, however often it was met (the same line sent again, the same row in tomorrow's
file), and marking what was put through again. Does not belong here: deciding what is kept aside; whoever reads the
input does that.
"""

from __future__ import annotations

from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from headwater.load.aside import load_aside
from headwater.storage.lake import Lake

TARGET = "raw.quarantine"
# rows of tables have no id of their own: what they say is what they are
_ID = "coalesce(quarantine_id, md5(concat_ws(chr(31), coalesce(source, ''), reason, coalesce(detail, ''), payload)))"


@dataclass(frozen=True)
class QuarantineLoaded:
    """Counts of what was new; `by_reason` holds rows per reason, `replayed` those that went through since."""

    objects: int
    rows: int
    by_reason: dict[str, int]
    replayed: int = 0


def load_quarantine(con: DuckDBPyConnection, lake: Lake) -> QuarantineLoaded:
    """Load every quarantine object that is not loaded yet; mark what `raw.events` or `raw.dropped` say is replayed.

    Raises:
        DataError: an object cannot be read.
    """
    objects, by_reason = load_aside(con, lake, "quarantine/", TARGET, _ID)
    con.execute(f"update raw.quarantine set quarantine_id = {_ID} where quarantine_id is null")
    marked = con.execute(
        """
        update raw.quarantine set replayed_at = done.replayed_at
        from (
            select replays, min(replayed_at) as replayed_at
            from (
                select replays, known_at as replayed_at from raw.events where replays is not null
                union all
                select replays, replayed_at from raw.dropped where replays is not null
            )
            group by replays
        ) as done
        where done.replays = quarantine.quarantine_id and quarantine.replayed_at is null
        """
    ).fetchone()
    return QuarantineLoaded(objects, by_reason.total(), dict(by_reason), int(marked[0]) if marked else 0)
