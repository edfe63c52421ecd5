"""When something landed, as one text that sorts: the stamp in its object's name, then its row.

Belongs here: reading the stamp out of a name. Does not belong here: any table. Event time plays no part: a late event
must not change who was known first.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_EXTRACT = re.compile(r"^(\d{8}T\d{6})(\d{6})?Z-")
_SEGMENT = re.compile(r"^\d+-(\d{13})(?!\d)")


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
