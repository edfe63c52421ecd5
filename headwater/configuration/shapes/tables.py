"""`sources.yaml`: sources of tables, one class a kind: a tool's REST API, an SQL database, files.

Belongs here: what a company says of a table that is pulled. Does not belong here: how it is pulled (`land`) or loaded.
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Literal

import msgspec
from msgspec import Struct, field

ColumnType = Literal["text", "integer", "decimal", "double", "boolean", "date", "timestamp", "json"]
Action = Literal["evolve", "freeze", "discard"]


class Contract(Struct, forbid_unknown_fields=True):
    """What becomes of what a table was not declared to hold. Each change is told in `raw.schema_changes`.

    Attributes:
        columns: a column more: `evolve` takes it, and asks for the older rows again; `freeze` stops the pull of the
            table; `discard` leaves the column out.
        types: a value of another type: `evolve` makes the column wide enough (at last: text), and asks for the older
            rows again; `freeze` stops the pull of the table; `discard` keeps the row aside.
    """

    columns: Action = "evolve"
    types: Action = "discard"


class PulledTable(Struct, kw_only=True, forbid_unknown_fields=True):
    """What all pulled tables have in common.

    Attributes:
        columns: name → type.
        primary_key: the column, or columns, by which a row is known.
        cursor: the column that grows with every change of a row; null: the whole table is read each time.
        overlap: so many seconds before the last cursor are read again, for rows that arrive late.
        contract: what becomes of columns and types that are not declared.
        deletes: `none`: deleted rows are not noticed; `flag`: the tool sets `deleted_flag`; `scan`: all keys are read
            every `scan_hours`, and what is missing is marked as deleted.
        deleted_flag: a time, or true, in a row that was deleted.
        scan_limit_percent: when more of the rows than this are missing, the scan is not believed.
        freshness_hours: how old the last pull may be, a day and two hours unless told; null: nobody watches it.
        is_sparse: the tool leaves out the fields that are empty.
        transform: a file of `transformations/`, run over each row before it is typed.
    """

    columns: dict[str, ColumnType]
    primary_key: str | list[str] = "id"
    cursor: str | None = "updated_at"
    overlap: float = 300
    contract: Contract = field(default_factory=Contract)
    deletes: Literal["none", "flag", "scan"] = "none"
    deleted_flag: str = "deleted_at"
    scan_hours: float = 24
    scan_limit_percent: float = 50
    freshness_hours: float | None = 26
    is_sparse: bool = False
    transform: str = ""
    description: str = ""

    @property
    def key(self) -> list[str]:
        """The columns of the primary key."""
        return [self.primary_key] if isinstance(self.primary_key, str) else self.primary_key

    @property
    def all_columns(self) -> dict[str, ColumnType]:
        """The declared columns, and the flag of deleted rows where it is not among them."""
        flag: dict[str, ColumnType] = {self.deleted_flag: "timestamp"} if self.deletes == "flag" else {}
        return {**self.columns, **{name: kind for name, kind in flag.items() if name not in self.columns}}

    @property
    def declaration(self) -> str:
        """The declared columns and contract as a short digest: against others, changes of schema are noted anew."""
        told = msgspec.json.encode([list(self.columns.items()), self.contract])
        return hashlib.sha256(told).hexdigest()[:8]


class RestTable(PulledTable, kw_only=True, forbid_unknown_fields=True):
    """One collection of a REST source.

    Attributes:
        path: below the source's `base_url`.
        params: sent with every request.
        is_ordered: the tool promises rows by ascending cursor, so that a long pull goes on where it was ended.
    """

    path: str
    params: dict[str, str | int] = {}
    is_ordered: bool = False


class Auth(Struct, forbid_unknown_fields=True):
    """How a tool knows us: `bearer` and `basic` (`username`, and the token as password) go by the standard; `header`
    and `query` carry the token under `name`."""

    kind: Literal["bearer", "basic", "header", "query"] = "bearer"
    token: str = ""
    username: str = ""
    name: str = ""


class Paging(Struct, forbid_unknown_fields=True):
    """Where rows and the next page are in an answer, and how they are asked for.

    Attributes:
        kind: `token`: the answer names the next page under `next`; `link`: it gives the next page's URL there, or,
            without `next`, in the header Link; `page`, `offset`: pages are counted; `single`: there is one.
        rows: dotted path of the list of rows; empty: the answer is the list.
        next: dotted path of the next page's token or URL.
        param: the query parameter for the token, the page's number or the offset.
        first: the number of the first page.
        size_param: the query parameter for the page's size; empty: none.
        since_param, until_param: the query parameters for «changed at or after», and «before»; empty: none.
        since_format: how the time is written.
    """

    kind: Literal["token", "link", "page", "offset", "single"] = "token"
    rows: str = "data"
    next: str = "next_page_token"
    param: str = "page_token"
    first: int = 1
    size_param: str = "limit"
    since_param: str = "updated_since"
    until_param: str = ""
    since_format: Literal["iso", "epoch", "epoch_ms", "date"] = "iso"


class RestSource(Struct, tag_field="kind", tag="rest", forbid_unknown_fields=True):
    """A SaaS tool that is pulled over HTTP.

    Attributes:
        token: a bearer token; `auth` says it otherwise.
        schedule: when it is pulled, in cron's words (UTC).
        history_from: the first day that can be asked for again.
    """

    base_url: str
    tables: dict[str, RestTable]
    token: str = ""
    auth: Auth | None = None
    paging: Paging = field(default_factory=Paging)
    headers: dict[str, str] = {}
    page_size: int = 500
    timeout_seconds: float = 60
    schedule: str = "0 3 * * *"
    history_from: date = date(2020, 1, 1)
    owner: str = ""
    description: str = ""


class SqlTable(PulledTable, kw_only=True, forbid_unknown_fields=True):
    """One table of a database, `schema.table` (default: the name it has here), or a `query` instead."""

    table: str = ""
    query: str = ""


class SqlSource(Struct, tag_field="kind", tag="sql", forbid_unknown_fields=True):
    """A database, by the URL that SQLAlchemy takes. Postgres is read by COPY."""

    url: str
    tables: dict[str, SqlTable]
    schedule: str = "0 3 * * *"
    history_from: date = date(2020, 1, 1)
    owner: str = ""
    description: str = ""


class FileTable(PulledTable, kw_only=True, forbid_unknown_fields=True):
    """Files of one table: a path or pattern below the source's `location`. Each file is read once, again when it
    changes."""

    path: str
    format: Literal["csv", "ndjson", "parquet"]
    cursor: str | None = None
    freshness_hours: float | None = None


class FilesSource(Struct, tag_field="kind", tag="files", forbid_unknown_fields=True):
    """Tables that others put as files into a folder (below the home's `inbox/` when it is relative) or on S3."""

    location: str
    tables: dict[str, FileTable]
    schedule: str = "0 3 * * *"
    owner: str = ""
    description: str = ""


class ColumnRule(Struct, forbid_unknown_fields=True):
    """How one canonical column is filled: `from` a column (perhaps `times` a whole number) or a constant `value`."""

    from_: str | None = field(default=None, name="from")
    value: str | int | None = None
    times: int | None = None


class CsvTable(Struct, forbid_unknown_fields=True):
    """One CSV file of the data folder. `feeds` names the canonical table that its rows also fill, by `mapping`."""

    file: str
    primary_key: list[str]
    columns: dict[str, ColumnType]
    feeds: Literal["orders", "order_lines", "products", "customers"] | None = None
    mapping: dict[str, str | ColumnRule] = {}
    description: str = ""

    @property
    def key(self) -> list[str]:
        """The columns of the primary key."""
        return self.primary_key


class CsvSource(Struct, tag_field="kind", tag="csv", forbid_unknown_fields=True):
    """Tables that come as files, relative to the data folder of `make run DATA=DIR`."""

    tables: dict[str, CsvTable]
    description: str = ""
