"""When identity came to know of an object, as one text that sorts: its reading, then its landing.

Belongs here: these texts, and what has one age by them. Does not belong here: any table, where readings are kept
(`readings`). Event time plays no part: a late event must not change who was known first.

What was read at once (`readings`) was not told in any order: the tables of a pull land in any, and a kill between two
of them changes it. So within a reading the tables come as they were declared, and all rows of a pulled table are of
one age. The log alone has an order of its own, which its segments and their rows keep.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby

_EXTRACT = re.compile(r"^(\d{8}T\d{6})(\d{6})?Z-")
_SEGMENT = re.compile(r"^\d+-(\d{13})(?!\d)")
# between what all rows of a table share and the object that one of them is in
ALIKE = "|"
MOMENT = "%Y%m%dT%H%M%S.%f"


def landed(lake_object: str) -> str:
    """Sortable moment of landing: UTC to the microsecond, then the object's own name, which breaks ties.

    Extracts carry the moment in their name, event segments the milliseconds at which the segment was opened. An object
    without a stamp counts as landed before all others, so that its place never moves.
    """
    file_name = lake_object.rpartition("/")[2]
    if found := _EXTRACT.match(file_name):
        return f"{found[1]}.{found[2] or '000000'}/{file_name}"
    if found := _SEGMENT.match(file_name):
        moment = datetime.fromtimestamp(int(found[1]) / 1000, UTC)
        return f"{moment:%Y%m%dT%H%M%S}.{int(found[1]) % 1000:03d}000/{file_name}"
    return f"00000000T000000.000000/{file_name}"


def told(reading: str, lake_object: str) -> str:
    """Sortable moment of becoming known.

    Args:
        reading: as `readings` gives it; empty for what was read before there were any: then its landing counts.
    """
    at = landed(lake_object)
    if not reading:
        return at
    is_log = _SEGMENT.match(lake_object.rpartition("/")[2]) is not None
    return f"{reading}{'/' if is_log else ALIKE}{at}"


def landing_of(moment: str) -> str:
    """The moment of landing in a text of `told` or `landed`, without the object's name."""
    return re.split(rf"[/{re.escape(ALIKE)}]", moment)[-2]


def first_alike(moments: Sequence[str]) -> list[int]:
    """For each of these texts, sorted, the first that is as old with all its rows; -1 where each row has its age."""
    found: list[int] = []
    for shared, alike in groupby(moments, lambda moment: moment.partition(ALIKE)[:2]):
        count = sum(1 for _ in alike)
        found += [len(found) if shared[1] else -1] * count
    return found
