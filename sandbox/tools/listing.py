"""One page of a tool's list: rows, the token of the next page, and the faults that change either.

Belongs here: from query parameters to the content of an answer. Does not belong here: HTTP (`api`), SQL (`store`).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.clock import iso, parse
from sandbox.tools.faults import Fault
from sandbox.tools.store import Row, Store

MAX_PAGE = 1000


class BadQueryError(Exception):
    """A parameter that is answered with 400."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)


@dataclass(frozen=True)
class Place:
    """Where the last page ended. A list that began newest first goes on so, whatever has been switched off since."""

    updated_at: str
    row_id: str
    is_descending: bool = False

    def token(self) -> str:
        """As the client gets it."""
        order = "|desc" if self.is_descending else ""
        return base64.urlsafe_b64encode(f"{self.updated_at}|{self.row_id}{order}".encode()).decode()


def list_page(store: Store, table: str, query: Mapping[str, str], faults: list[Fault]) -> dict[str, Any]:
    """The content of one page.

    Raises:
        BadQueryError: a parameter cannot be read.
    """
    by_kind = {fault.kind: fault.options for fault in faults}
    limit, since = _limit(query.get("limit", "100")), _since(query.get("updated_since", ""))
    token = query.get("page_token")
    place = _read_token(token) if token else None
    descending = place.is_descending if place else "page_order" in by_kind
    back = by_kind.get("clock_back")
    shift = (int(back["seconds"]), str(back["at"])) if back else None
    after = (place.updated_at, place.row_id) if place else None
    rows = store.page(table, since, after, limit + 1, descending=descending, shift=shift)
    following = Place(rows[limit - 1]["updated_at"], rows[limit - 1]["id"], descending) if len(rows) > limit else None
    rows = rows[:limit]
    if "duplicate_rows" in by_kind and after:
        count = int(by_kind["duplicate_rows"]["rows"])
        rows = store.page(table, since, after, count, descending=descending, shift=shift, before=True) + rows
    told = following.token() if following else None
    if "endless_cursor" in by_kind:
        told = token or told or (Place(rows[-1]["updated_at"], rows[-1]["id"], descending).token() if rows else None)
    if "schema_change" in by_kind:
        rows = [_changed(row, by_kind["schema_change"]) for row in rows]
    return {"data": rows, "next_page_token": told}


def _changed(row: Row, options: dict[str, Any]) -> Row:
    if options["change"] == "drop":
        return {name: value for name, value in row.items() if name != options["column"]}
    return row | {options["column"]: options["value"]}


def _limit(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= MAX_PAGE:
        raise BadQueryError("INVALID_LIMIT", f"limit is a number from 1 to {MAX_PAGE}.")
    return int(text)


def _since(text: str) -> str:
    if not text:
        return ""
    try:
        # a plus sign that was not percent-encoded arrives as a blank
        return iso(parse(text.replace(" ", "+") if text.count(" ") == 1 and "T" in text else text))
    except ValueError:
        raise BadQueryError("INVALID_TIME", "updated_since is an ISO 8601 time.") from None


def _read_token(token: str) -> Place:
    try:
        updated_at, _, rest = base64.urlsafe_b64decode(token).decode().partition("|")
    except ValueError:
        updated_at = rest = ""
    row_id, _, order = rest.partition("|")
    if not row_id:
        raise BadQueryError("INVALID_PAGE_TOKEN", "page_token is not one of ours.")
    return Place(updated_at, row_id, order == "desc")
