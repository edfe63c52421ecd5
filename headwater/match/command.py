"""`headwater explain`: why an identifier belongs to its person.

Belongs here: reading the read copy and printing. Does not belong here: deciding who is who (`resolve`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headwater.errors import UsageError
from headwater.settings import load_settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SHOWN = 80


@click.group()
def explain() -> None:
    """Show what makes an identifier belong to its person."""


@explain.command()
@click.argument("identifier", metavar="TYPE:ID")
@click.option("--home", type=click.Path(path_type=Path), help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", type=click.Path(path_type=Path), help="Config folder (default: config/).")
def person(identifier: str, home: Path | None, config: Path | None) -> None:
    """Print the person that TYPE:ID names, such as email:ann@example.com, and every tie that makes it one person."""
    from headwater.storage.warehouse import connect_read, read_copy

    id_type, _, id_value = identifier.partition(":")
    if not id_type or not id_value:
        raise UsageError(f"«{identifier}» is not TYPE:ID.", hint="For example: user_id:17850 or email:ann@example.com.")
    settings = load_settings(home, config)
    with connect_read(settings) as con:
        for line in describe(con, id_type, id_value):
            click.echo(line)
    if copy := read_copy(settings):
        minutes = copy.age_seconds(datetime.now(UTC).replace(tzinfo=None)) / 60
        behind = "; the warehouse was written since" if copy.is_behind else ""
        click.echo(
            f"From the read copy of {copy.published_at:%Y-%m-%d %H:%M:%S} UTC ({minutes:.0f} minutes old{behind})."
        )


def describe(con: DuckDBPyConnection, id_type: str, id_value: str) -> list[str]:
    """The person's identifiers, ties and refused ties, as lines.

    Raises:
        UsageError: no such identifier is known; names the types there are.
    """
    found = con.execute(
        "select customer_id from identity.identifiers where id_type = ? and (id_value = ? or "
        "(id_type = 'email' and id_value = lower(trim(?))))",
        [id_type, id_value, id_value],
    ).fetchone()
    if found is None:
        types = [
            row[0] for row in con.execute("select distinct id_type from identity.identifiers order by 1").fetchall()
        ]
        raise UsageError(
            f"No person has the {id_type} «{_short(id_value)}».", hint=f"Known types: {', '.join(types) or 'none yet'}."
        )
    (customer_id,) = found
    known = con.execute(
        "select id_type, id_value, first_landed from identity.identifiers "
        "where customer_id = ? and id_type <> 'customer_id' order by first_landed, id_type, id_value",
        [customer_id],
    ).fetchall()
    lines = [f"customer_id {customer_id}", "", f"{len(known)} identifiers, in the order in which they landed:"]
    lines += [f"  {kind:<13} {_short(value)}  {_moment(landed)}" for kind, value, landed in known]
    lines += ["", "tied together by:"]
    lines += [f"  {tie}" for tie in _ties(con, "edges", customer_id)] or ["  nothing: it stands alone"]
    refused = _ties(con, "refused_edges", customer_id)
    if refused:
        lines += ["", "seen together, but not believed:", *(f"  {tie}" for tie in refused)]
    return [*lines, ""]


def _ties(con: DuckDBPyConnection, table: str, customer_id: str) -> list[str]:
    reason = "reason" if table == "refused_edges" else "''"
    rows = con.execute(
        f"""select left_type, left_value, right_type, right_value, source_table, first_landed, {reason}
        from identity.{table} as tie
        where (left_type, left_value) in (select id_type, id_value from identity.identifiers where customer_id = $id)
            or (right_type, right_value) in (select id_type, id_value from identity.identifiers where customer_id = $id)
        order by first_landed, left_value, right_value""",
        {"id": customer_id},
    ).fetchall()
    return [
        f"{lt} {_short(lv)} + {rt} {_short(rv)}  ({source}, {_moment(landed)}){f': {why}' if why else ''}"
        for lt, lv, rt, rv, source, landed, why in rows
    ]


def _moment(landed: str) -> str:
    stamp = landed.partition("/")[0]
    if stamp.startswith("0000"):
        return "landed at an unknown time"
    return f"landed {stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[9:11]}:{stamp[11:13]}:{stamp[13:15]} UTC"


def _short(value: str) -> str:
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}… ({len(value)} characters)"
