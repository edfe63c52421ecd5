"""One table of a Postgres database as Arrow, by COPY: as fast as the server writes, in little memory.

Belongs here: COPY, and which of the server's types are which of ours. Does not belong here: other databases
(`databases`), which rows are news (`places`).

What the server sends is CSV, typed by Arrow's reader. Where that cannot read a value, the listing begins again with
every column as text, and rows that do not fit are kept aside one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as arrow_csv

from headwater.configuration import ColumnType, SqlTable
from headwater.errors import ConfigError, DataError, UnavailableError
from headwater.land.casting import from_text
from headwater.land.contracts import Learned, fits
from headwater.land.places import Cursor
from headwater.land.rows import ARROW, Typed, flagged

if TYPE_CHECKING:
    import psycopg

BLOCK_BYTES = 4 << 20
CONNECT_SECONDS = 20
_KINDS: Mapping[int, ColumnType] = {
    **dict.fromkeys((20, 21, 23, 26), "integer"),
    **dict.fromkeys((700, 701), "double"),
    **dict.fromkeys((1114, 1184), "timestamp"),
    **dict.fromkeys((114, 3802), "json"),
    1700: "decimal",
    16: "boolean",
    1082: "date",
}
_WITH_ZONE = 1184


class Postgres:
    """One table, ready to be read.

    Attributes:
        is_typed: what the server says of its columns' types is binding.

    Raises:
        UnavailableError: the server does not answer, or refuses the statement.
    """

    is_typed = True

    def __init__(self, url: str, name: str, table: SqlTable, where: str) -> None:
        self._table, self._where = table, where
        self._con = _connect(url, where)
        self._from = f"({table.query}) as _source" if table.query else _quoted_name(table.table or name)
        self._oids = self._describe()

    def close(self) -> None:
        """End the connection, and a listing under way."""
        self._con.close()

    def kinds(self) -> dict[str, ColumnType]:
        """The columns that the server has, with the type of ours that holds them."""
        return {name: _KINDS.get(oid, "text") for name, oid in self._oids.items()}

    def batches(self, learned: Learned, since: Cursor, until: Cursor) -> Iterator[Typed]:
        """Rows by ascending cursor, from `since` on and before `until`; those without a cursor come each time.

        Raises:
            UnavailableError: the server stopped to answer.
        """
        columns, there = learned.columns, self.kinds()
        doubtful = {name for name, kind in columns.items() if not fits(kind, there[name])}
        try:
            yield from self._copy(columns, doubtful, since, until)
        except pa.ArrowInvalid:
            self._con.rollback()
            # what was read of it comes once more; the warehouse takes each row once
            yield from self._copy(columns, set(columns), since, until)

    def keys(self) -> Iterator[pa.Table]:
        """The primary keys of all rows."""
        kinds = {name: self._table.columns[name] for name in self._table.key}
        statement = f"select {', '.join(self._value(n, k) for n, k in kinds.items())} from {self._from}"
        yield from self._read(statement, kinds)

    def rows_of(self, learned: Learned, keys: pa.Table) -> Iterator[Typed]:
        """The rows with these primary keys."""
        from psycopg import sql

        for start in range(0, keys.num_rows, 1000):
            some = keys.slice(start, 1000).to_pylist()
            wanted = sql.SQL(", ").join(
                sql.SQL("({})").format(sql.SQL(", ").join(sql.Literal(v) for v in row.values())) for row in some
            )
            key = ", ".join(_quoted(name) for name in self._table.key)
            where = f" where ({key}) in ({wanted.as_string(self._con)})"
            yield from self._copy(learned.columns, set(), None, None, where)

    def _copy(
        self, columns: Mapping[str, ColumnType], doubtful: set[str], since: Cursor, until: Cursor, where: str = ""
    ) -> Iterator[Typed]:
        kinds: dict[str, ColumnType] = {n: "text" if n in doubtful else kind for n, kind in columns.items()}
        selected = ", ".join(self._value(name, kind) for name, kind in kinds.items())
        statement = f"select {selected} from {self._from}{where or self._bounds(since, until)}"
        for rows in self._read(statement, kinds):
            if doubtful:
                typed, rejected, aside = from_text(rows, columns, self._table)
            else:
                typed, rejected, aside = rows, [], []
            yield Typed(flagged(typed, self._table), rejected, aside)

    def _value(self, name: str, kind: ColumnType) -> str:
        column = _quoted(name)
        if self._oids[name] == _WITH_ZONE:
            column = f"({column} at time zone 'UTC')"
        if kind == "decimal":
            return f"round({column}::numeric, 6)"
        return f"{column}::text" if kind in ("text", "json") else column

    def _bounds(self, since: Cursor, until: Cursor) -> str:
        from psycopg import sql

        if self._table.cursor is None:
            return ""
        cursor = _quoted(self._table.cursor)
        instant = cursor
        if self._oids[self._table.cursor] == _WITH_ZONE:
            instant = f"({cursor} at time zone 'UTC')"

        def literal(value: Cursor) -> str:
            text: str = sql.Literal(value).as_string(self._con)
            if self._oids[str(self._table.cursor)] == _WITH_ZONE:  # keeps the index on the column in use
                return f"({text}::timestamp at time zone 'UTC')"
            return text

        limits = []
        if since is not None:
            without = f" or {cursor} is null" if until is None else ""
            limits.append(f"({cursor} >= {literal(since)}{without})")
        if until is not None:
            limits.append(f"{cursor} < {literal(until)}")
        where = f" where {' and '.join(limits)}" if limits else ""
        return f"{where} order by {instant} nulls first"

    def _describe(self) -> dict[str, int]:
        with self._sentences():
            cursor = self._con.execute(f"select * from {self._from} limit 0")
            return {column.name: column.type_code for column in cursor.description or ()}

    def _read(self, statement: str, kinds: Mapping[str, ColumnType]) -> Iterator[pa.Table]:
        options = {
            "read_options": arrow_csv.ReadOptions(block_size=BLOCK_BYTES, column_names=list(kinds), use_threads=False),
            "parse_options": arrow_csv.ParseOptions(newlines_in_values=True),
            "convert_options": arrow_csv.ConvertOptions(
                column_types={name: ARROW[kind] for name, kind in kinds.items()},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        }
        schema = pa.schema([(name, ARROW[kind]) for name, kind in kinds.items()])
        with self._sentences(), self._con.cursor() as cursor:
            copying = f"copy ({statement}) to stdout (format csv, encoding 'UTF8')"
            with cursor.copy(copying) as copy:
                stream = _Stream(copy)
                if stream.is_empty():
                    return
                for batch in arrow_csv.open_csv(pa.PythonFile(stream, mode="r"), **options):
                    yield pa.Table.from_batches([batch]).cast(schema)

    def _sentences(self) -> Any:
        return _Sentences(self._where)


class _Stream:
    """What COPY sends, as a file for Arrow."""

    closed = False

    def __init__(self, copy: Any) -> None:
        self._blocks = iter(copy)
        self._rest = b"".join(bytes(block) for block in [next(self._blocks, b"")])

    def is_empty(self) -> bool:
        return not self._rest

    def read(self, size: int = -1) -> bytes:
        found, length = [self._rest], len(self._rest)
        while size < 0 or length < size:
            block = next(self._blocks, None)
            if block is None:
                break
            found.append(block)
            length += len(block)
        content = b"".join(found)
        self._rest = content[size:] if size >= 0 else b""
        return content[:size] if size >= 0 else content

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """The connection is closed by whoever opened it."""


class _Sentences:
    """psycopg's errors as ours."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        import psycopg

        if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.SyntaxError):
            raise DataError(f"{self._where} cannot be read: {str(error).splitlines()[0]}.") from error
        if isinstance(error, psycopg.Error):
            said = (str(error).splitlines() or [type(error).__name__])[0]
            raise UnavailableError(f"{self._where} stopped to answer: {said}.") from error


def _connect(url: str, where: str) -> psycopg.Connection[Any]:
    try:
        import psycopg
    except ImportError as error:
        raise ConfigError(f"{where} needs psycopg.", hint="pip install 'psycopg[binary]'") from error
    _, _, rest = url.partition("://")
    try:
        con = psycopg.connect(f"postgresql://{rest}", connect_timeout=CONNECT_SECONDS, application_name="headwater")
        con.execute("set time zone 'UTC'; set datestyle = 'ISO'; set bytea_output = 'hex'; set extra_float_digits = 1")
        con.commit()
        con.read_only = True
    except psycopg.Error as error:
        said = (str(error).splitlines() or [type(error).__name__])[-1].strip()
        raise UnavailableError(f"{where} cannot be reached: {said}.", hint="Check the url in sources.yaml.") from error
    return con


def _quoted(name: str) -> str:
    return f'"{name.replace(chr(34), chr(34) * 2)}"'


def _quoted_name(name: str) -> str:
    return ".".join(_quoted(part) for part in name.split("."))
