"""Why identifiers are one person: what ties them, row by row.

Belongs here: finding the person and the words. Does not belong here: options and the read copy (`command`), deciding
who is who (`resolve`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headwater.configuration import Identity
from headwater.errors import UsageError
from headwater.match.landing import landing_of, told
from headwater.policy.identifiers import normal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SHOWN = 80
_OF_PERSON = """(left_type, left_value) in (select id_type, id_value from identity.identifiers where customer_id = $id)
    or (right_type, right_value) in (select id_type, id_value from identity.identifiers where customer_id = $id)"""


def describe(con: DuckDBPyConnection, identity: Identity, written: str, most: int | None = None) -> Iterator[str]:
    """The person's identifiers, ties and refused ties, each with the row that says it, as lines.

    Args:
        written: `id_type:value`, or a value of any type, or a customer id, also one that was given out before.
        most: how many of each to tell, the first to land before all; the rest is counted. None: all.

    Raises:
        UsageError: nobody is known by it, or several are.
    """
    customer_id, former = _find(con, identity, written)
    if former:
        since = con.execute("select since from identity.successors where former_id = ?", [former]).fetchone()
        yield f"customer_id {former} ended {since[0]:%Y-%m-%d %H:%M:%S} UTC and leads to:" if since else former
    yield f"customer_id {customer_id}"
    known = con.execute(
        "select id_type, id_value, first_landed from identity.identifiers "
        "where customer_id = ? and id_type <> 'customer_id' order by first_landed, first_row, id_type, id_value",
        [customer_id],
    ).fetchall()
    yield from ("", f"{len(known)} identifiers, in the order in which they became known:")
    for kind, value, at in known[:most]:
        yield f"  {kind:<13} {_short(value)}  {_moment(at)}"
    yield from _rest(len(known), most)
    objects = _Objects(con)
    yield from ("", "tied together by:")
    yield from list(_ties(con, objects, "edges", customer_id, most)) or ["  nothing: it stands alone"]
    if refused := list(_ties(con, objects, "refused_edges", customer_id, most)):
        yield from ("", "seen together, but not believed:", *refused)
    yield from _decided(con, customer_id)
    yield from _changed(con, customer_id)
    accounts = con.execute(
        "select account_id, source_table from identity.account_members where customer_id = ? order by all",
        [customer_id],
    ).fetchall()
    if accounts:
        yield from ("", "belongs to:", *(f"  account {account}  ({table})" for account, table in accounts))
    yield ""


def _find(con: DuckDBPyConnection, identity: Identity, written: str) -> tuple[str, str | None]:
    """The person, and the former id by which it was asked for."""
    id_type, _, value = written.partition(":")
    is_typed = bool(value) and (id_type == "customer_id" or id_type in identity.id_types)
    types = {
        name: normal(kind, value if is_typed else written, identity.default_region)
        for name, kind in identity.id_types.items()
        if not is_typed or name == id_type
    }
    if not is_typed or id_type == "customer_id":
        types["customer_id"] = (value if is_typed else written).strip()
    found = {
        name: row[0]
        for name, each in types.items()
        if each is not None
        and (
            row := con.execute(
                "select customer_id from identity.identifiers where id_type = ? and id_value = ?", [name, each]
            ).fetchone()
        )
    }
    if len(set(found.values())) > 1:
        raise UsageError(
            f"«{_short(written)}» names several people.",
            hint="Name the type: " + ", ".join(f"{name}:{_short(written)}" for name in found) + ".",
        )
    if found:
        return next(iter(found.values())), None
    if former := types.get("customer_id"):
        row = con.execute("select customer_id from identity.successors where former_id = ?", [former]).fetchone()
        if row:
            return row[0], former
    known = [row[0] for row in con.execute("select distinct id_type from identity.identifiers order by 1").fetchall()]
    who = f"the {id_type} «{_short(value)}»" if is_typed else f"the identifier «{_short(written)}»"
    raise UsageError(f"No person has {who}.", hint=f"Known types: {', '.join(known) or 'none yet'}.")


def _ties(con: DuckDBPyConnection, objects: _Objects, table: str, customer_id: str, most: int | None) -> Iterator[str]:
    reason = "reason" if table == "refused_edges" else "''"
    rows = con.execute(
        f"""select left_type, left_value, right_type, right_value, source_table, first_landed, first_row, {reason}
        from identity.{table} where {_OF_PERSON} order by first_landed, first_row, left_value, right_value""",
        {"id": customer_id},
    ).fetchall()
    for left_type, left_value, right_type, right_value, source, at, row, why in rows[:most]:
        yield f"  {left_type} {_short(left_value)} + {right_type} {_short(right_value)}{f': {why}' if why else ''}"
        yield f"      {objects.place(source, at, row)}"
    yield from _rest(len(rows), most)


def _rest(count: int, most: int | None) -> Iterator[str]:
    if most is not None and count > most:
        yield f"  … and {count - most:,} more (--all)"


def _decided(con: DuckDBPyConnection, customer_id: str) -> Iterator[str]:
    rows = con.execute(
        "select kind, left_type, left_value, right_type, right_value, reason from identity.overrides "
        f"where {_OF_PERSON}",
        {"id": customer_id},
    ).fetchall()
    if rows:
        yield from ("", "decided by hand in identity.yaml:")
    for kind, left_type, left_value, right_type, right_value, reason in rows:
        other = f" + {right_type} {_short(right_value)}" if right_type else ""
        yield f"  {kind} {left_type} {_short(left_value)}{other}: {reason}"


def _changed(con: DuckDBPyConnection, customer_id: str) -> Iterator[str]:
    rows = con.execute(
        """select changed_at, change, from_customer_id, to_customer_id, count(*), min(id_type || ' ' || id_value)
        from identity.changes where ? in (from_customer_id, to_customer_id)
        group by all order by changed_at, change, from_customer_id""",
        [customer_id],
    ).fetchall()
    if rows:
        yield from ("", "what changed:")
    for at, change, old, new, count, example in rows:
        what = _short(example) if count == 1 else f"{_short(example)} and {count - 1} more"
        yield f"  {at:%Y-%m-%d %H:%M:%S} UTC  {change} of {old} into {new}: {what}"


class _Objects:
    """Finds the lake object of a landing."""

    def __init__(self, con: DuckDBPyConnection) -> None:
        self._con = con
        self._of_table: dict[str, dict[str, str]] = {}

    def place(self, table: str, at: str, row: int) -> str:
        """Where a tie was read first, and when that landed."""
        if not at:
            return table
        if table not in self._of_table:
            rows = self._con.execute(
                "select lake_object, reading from identity.read_objects where source_table = ?", [table]
            )
            self._of_table[table] = {told(reading or "", found): found for found, reading in rows.fetchall()}
        found = self._of_table[table].get(at)
        return f"{table}, {f'{found} row {row}' if found else 'no lake object'}, {_moment(at)}"


def _moment(at: str) -> str:
    stamp = landing_of(at)
    if stamp.startswith("0000"):
        return "landed at an unknown time"
    return f"landed {stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[9:11]}:{stamp[11:13]}:{stamp[13:15]} UTC"


def _short(value: str) -> str:
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}… ({len(value)} characters)"
