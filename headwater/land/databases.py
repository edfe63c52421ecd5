"""One table of any database that SQLAlchemy has a dialect for, as Arrow.

Belongs here: which reader a URL gets, and the one for databases without a reader of their own. Does not belong here:
Postgres (`postgres`), which rows are news (`places`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

import pyarrow as pa

from headwater.configuration import ColumnType, SqlTable
from headwater.errors import ConfigError, UnavailableError
from headwater.land.contracts import Learned
from headwater.land.places import Cursor
from headwater.land.rows import ARROW, Columns, Typed

ROWS_PER_BATCH = 20_000


class Reader(Protocol):
    """What reads one table of a database.

    Attributes:
        is_typed: what `kinds` says is binding: no value of another type can come.
    """

    is_typed: bool

    def kinds(self) -> dict[str, ColumnType]:
        """The columns that are there, with the type of ours that holds them."""
        ...

    def batches(self, learned: Learned, since: Cursor, until: Cursor) -> Iterator[Typed]:
        """Rows by ascending cursor, from `since` on and before `until`."""
        ...

    def keys(self) -> Iterator[pa.Table]:
        """The primary keys of all rows."""
        ...

    def rows_of(self, learned: Learned, keys: pa.Table) -> Iterator[Typed]:
        """The rows with these primary keys."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


def reader(url: str, name: str, table: SqlTable, where: str) -> Reader:
    """What reads this table: COPY for Postgres, else SQLAlchemy.

    Raises:
        ConfigError: the URL names no database that is known, or its driver is not installed.
        UnavailableError: the database cannot be reached.
    """
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme in ("postgresql", "postgres"):
        from headwater.land.postgres import Postgres

        return Postgres(url, name, table, where)
    return Alchemy(url, name, table, where)


class Alchemy:
    """One table by way of SQLAlchemy.

    Raises:
        ConfigError, UnavailableError: as `reader`.
    """

    is_typed = False

    def __init__(self, url: str, name: str, table: SqlTable, where: str) -> None:
        import sqlalchemy as sa

        self._table, self._where = table, where
        try:
            self._engine = sa.create_engine(url)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
            raise ConfigError(f"{where}: the url cannot be used: {error}.", hint="Install the driver.") from error
        with self._sentences():
            if table.query:
                self._source: Any = sa.text(table.query).columns(*map(sa.column, self._names())).subquery()
            else:
                schema, _, bare = (table.table or name).rpartition(".")
                self._source = sa.Table(bare, sa.MetaData(), schema=schema or None, autoload_with=self._engine)

    def close(self) -> None:
        self._engine.dispose()

    def kinds(self) -> dict[str, ColumnType]:
        return {column.name: _kind(column.type) for column in self._source.columns}

    def batches(self, learned: Learned, since: Cursor, until: Cursor) -> Iterator[Typed]:
        statement = self._select(list(learned.columns))
        if self._table.cursor is not None:
            cursor = self._source.columns[self._table.cursor]
            if since is not None:
                statement = statement.where((cursor >= since) | cursor.is_(None) if until is None else cursor >= since)
            if until is not None:
                statement = statement.where(cursor < until)
            statement = statement.order_by(cursor)
        yield from self._typed(statement, learned)

    def keys(self) -> Iterator[pa.Table]:
        schema = pa.schema([(name, ARROW[self._table.columns[name]]) for name in self._table.key])
        for records in self._records(self._select(self._table.key)):
            yield pa.Table.from_pylist([self._plain(record) for record in records], schema)

    def rows_of(self, learned: Learned, keys: pa.Table) -> Iterator[Typed]:
        import sqlalchemy as sa

        columns = [self._source.columns[name] for name in self._table.key]
        for row in keys.to_pylist():
            same = [column == value for column, value in zip(columns, row.values(), strict=True)]
            yield from self._typed(self._select(list(learned.columns)).where(sa.and_(*same)), learned)

    def _select(self, names: list[str]) -> Any:
        import sqlalchemy as sa

        return sa.select(*(self._source.columns[name] for name in names))

    def _typed(self, statement: Any, learned: Learned) -> Iterator[Typed]:
        columns = Columns(self._table, learned, can_begin_again=True)
        for records in self._records(statement):
            yield columns.records([self._plain(record) for record in records])

    def _records(self, statement: Any) -> Iterator[list[dict[str, Any]]]:
        with self._sentences(), self._engine.connect() as con:
            result = con.execution_options(stream_results=True).execute(statement)
            names = list(map(str, result.keys()))  # they are of a subclass of str
            while rows := result.fetchmany(ROWS_PER_BATCH):
                yield [dict(zip(names, row, strict=True)) for row in rows]

    def _plain(self, record: dict[str, Any]) -> dict[str, Any]:
        return {name: plain(value, self._table.columns.get(name, "")) for name, value in record.items()}

    def _names(self) -> list[str]:
        import sqlalchemy as sa

        with self._engine.connect() as con:
            return list(con.execute(sa.text(f"select * from ({self._table.query}) as _source where 1 = 0")).keys())

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        import sqlalchemy as sa

        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            said = (str(cause).splitlines() or [type(cause).__name__])[0]
            raise UnavailableError(
                f"{self._where} cannot be read: {type(error).__name__}: {said}.", hint="Check sources.yaml."
            ) from error


def plain(value: Any, kind: str) -> Any:
    """A driver's value as one that the column's type takes, where databases have no such type."""
    if kind == "boolean" and isinstance(value, int) and value in (0, 1):
        return bool(value)
    if kind in ("decimal", "double") and isinstance(value, Decimal | float | int):
        return Decimal(str(value)) if kind == "decimal" else float(value)
    if kind == "text" and value is not None and not isinstance(value, str):
        return value.hex() if isinstance(value, bytes) else str(value)
    if kind == "date" and isinstance(value, datetime):
        return value.date()
    if kind == "timestamp" and isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value


def _kind(found: Any) -> ColumnType:
    import sqlalchemy as sa

    kinds: list[tuple[Any, ColumnType]] = [
        (sa.Boolean, "boolean"),
        (sa.Integer, "integer"),
        (sa.Float, "double"),
        (sa.Numeric, "decimal"),
        (sa.DateTime, "timestamp"),
        (sa.Date, "date"),
        (sa.JSON, "json"),
    ]
    return next((kind for cls, kind in kinds if isinstance(found, cls)), "text")
