"""Tables that come as files (CSV, NDJSON, Parquet) in a folder or on S3, into `extracts/<source>/<table>/` of the lake.

Belongs here: which files are new, reading one in little memory, what is kept aside of it. Does not belong here: the
tables of a data folder (`tables`), files that land as they came (`files`).

Each file becomes one object, in the order of the files' names. A file that is unreadable, or lacks a declared column,
is refused as a whole; a line that does not fit is kept aside alone.
"""

from __future__ import annotations

import json
import tempfile
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.configuration import ColumnType, Config, FilesSource, FileTable
from headwater.errors import HeadwaterError, UnavailableError, UsageError
from headwater.land.casting import from_text, literal, quoted
from headwater.land.contracts import Learned, LearnedError, put_changes
from headwater.land.extracts import Pulled, only_one
from headwater.land.held import Held
from headwater.land.listings import TablePulled
from headwater.land.objects import Rejected, put_once, put_quarantine
from headwater.land.rows import as_text, flagged
from headwater.land.transforming import RowTransformer
from headwater.settings import Settings
from headwater.storage.lake import Lake, LocalLake, Object, open_lake
from headwater.storage.warehouse.connection import outside

BATCH_ROWS = 50_000
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload")
_NEVER = "\x1f"  # parts no line of JSON

_KINDS: dict[str, ColumnType] = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"), "integer"),
    **dict.fromkeys(("FLOAT", "DOUBLE"), "double"),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIMESTAMP_MS"), "timestamp"),
    "DECIMAL": "decimal",
    "BOOLEAN": "boolean",
    "DATE": "date",
}
_JSON_KINDS: dict[str, ColumnType] = {
    **dict.fromkeys(("BIGINT", "UBIGINT"), "integer"),
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "VARCHAR": "text",
}


def try_land_file_tables(
    settings: Settings, config: Config, source_name: str, tables: list[str] | None = None
) -> Pulled:
    """Land every file that is new or has changed, and say what became of each table.

    Raises:
        UsageError: there is no such source or table.
        UnavailableError: the lake cannot be written.
        BusyError: another process lands the same source, and did not end within a minute.
    """
    source = config.sources.get(source_name)
    if not isinstance(source, FilesSource):
        raise UsageError(f"«{source_name}» is not a source of kind files.")
    chosen = list(source.tables) if tables is None else tables
    unknown = sorted(set(chosen) - set(source.tables))
    if unknown:
        raise UsageError(f"{source_name} has no table {', '.join(unknown)}; it has {', '.join(source.tables)}.")
    report = Pulled(source_name, {table: TablePulled() for table in chosen})
    with only_one(settings.dlt_dir, source_name):
        store = _store(settings, source.location)
        for name in chosen:
            table = _Files(settings, config, store, source_name, name, source.tables[name], report.tables[name])
            try:
                table.land()
            except HeadwaterError as error:
                report.tables[name].error = error
    return report


def _store(settings: Settings, location: str) -> Lake:
    if location.startswith("s3://"):
        from headwater.storage.lake.s3 import S3Lake

        return S3Lake(location, called="The source's place")
    return LocalLake(settings.inbox / location)


class _Files:
    """The files of one table, and the memory of those that were landed."""

    def __init__(
        self,
        settings: Settings,
        config: Config,
        store: Lake,
        source: str,
        name: str,
        table: FileTable,
        counts: TablePulled,
    ) -> None:
        self._settings, self._store, self._source, self._name = settings, store, source, name
        self._table, self._counts, self._lake = table, counts, open_lake(settings)
        self._memory = settings.dlt_dir / "files" / f"{source}__{name}.json"
        self._transformer = RowTransformer(settings, config, source, name, table)

    def land(self) -> None:
        held = {item.key for item in self._lake.list(f"extracts/{self._source}/{self._name}/")}
        seen = self._remembered()
        learned = Learned(seen, self._table, f"{self._source}'s {self._name}")
        aside = self._held = Held(seen, self._table)
        found = self._found()
        aside.forget(aside.places() - {file.key for file in found}, is_nameless=True)
        try:
            for file in found:
                told = f"{file.size}:{file.tag}"
                before = seen["files"].get(file.key)
                if before and before[0] == told and (before[1] in held or not before[1]):
                    continue
                was = before[1] if before else "" if seen["files"] else None
                seen["files"][file.key] = [told, self._file(file, learned, was)]
                aside.save()
                self._remember(seen)
        finally:
            self._counts.aside, self._counts.kept_aside = aside.count, aside.sentence()
            self._counts.changes = [change.sentence() for change in learned.changes]
            put_changes(self._lake, self._source, self._name, self._table, learned.changes)
            self._transformer.close()

    def _found(self) -> list[Object]:
        pattern = self._table.path
        fixed = pattern[: min((pattern.index(c) for c in "*?[" if c in pattern), default=len(pattern))]
        return [
            file
            for file in self._store.list(fixed)
            if fnmatch(file.key, pattern) and not file.key.lower().endswith(_UNFINISHED)
        ]

    def _file(self, file: Object, learned: Learned, before: str | None) -> str:
        """The key of the object that the file became; empty when it was refused as a whole."""
        work = self._settings.dlt_dir / "files"
        work.mkdir(parents=True, exist_ok=True)
        rejected: list[Rejected] = []
        with tempfile.TemporaryDirectory(dir=work) as folder:
            target = Path(folder, "table.parquet")
            try:
                rows = self._convert(file, learned, target, rejected)
                while rows is None:
                    rejected.clear()
                    rows = self._convert(file, learned, target, rejected)
            except duckdb.Error as error:
                reason = str(error).splitlines()[0]
                if outside(error):  # the file may be as it should: it is read again
                    raise UnavailableError(f"{self._store.uri(file.key)} cannot be read: {reason}") from error
                rejected, rows = [Rejected("unreadable file", f"{file.key}: {reason}", file.key)], 0
            key, is_new = put_once(self._lake, self._folder, target, before) if rows else ("", False)
        put_quarantine(self._lake, "extracts", f"{self._source}.{self._name}", rejected)
        self._held.forget([file.key])
        self._held.aside(rejected, of=file.key)
        self._counts.quarantined += len(rejected)
        self._counts.rows += rows if is_new else 0
        self._counts.objects += int(is_new)
        return key

    @property
    def _folder(self) -> str:
        return f"extracts/{self._source}/{self._name}"

    def _convert(self, file: Object, learned: Learned, target: Path, rejected: list[Rejected]) -> int | None:
        """Rows written to `target`; None when a column turned out to be wider, and the file has to be read again."""
        try:
            return self._write(file, learned, target, rejected)
        except LearnedError:
            return None

    def _write(self, file: Object, learned: Learned, target: Path, rejected: list[Rejected]) -> int:
        count, writer = 0, None
        with duckdb.connect() as con:
            con.execute("set threads = 1; set memory_limit = '512MB'; set TimeZone = 'UTC'")
            con.execute(f"set temp_directory = {literal(str(target.parent))}")
            self._store.configure(con)
            names = self._open(con, self._store.uri(file.key), rejected, file.key)
            gone = [c for c in self._table.columns if c not in names]
            if set(gone) & set(self._table.key) or (gone and not self._table.is_sparse):
                for column in gone:
                    learned.column_gone(column)
                what = f"{file.key} has no column {', '.join(gone)}; it has {', '.join(names)}"
                rejected.append(Rejected("missing column", what, file.key))
                return 0
            learned.columns_met(names)
            known = {column: kind for column, kind in learned.columns.items() if column in names}
            selected = ", ".join(quoted(column) for column in known)
            reader = con.execute(f"select {selected} from lines").to_arrow_reader(BATCH_ROWS)
            for batch in reader:
                rows = self._transformed(pa.Table.from_batches([batch]), list(known), rejected)
                typed, wrong, _ = from_text(rows, known, self._table)
                for item in wrong:
                    self._told(item, learned)
                    rejected.append(Rejected(item.reason, f"{file.key}: {item.detail}", item.payload))
                self._held.right(typed)
                typed = flagged(typed, self._table)
                writer = writer or pq.ParquetWriter(target, typed.schema, compression="zstd")
                writer.write_table(typed)
                count += typed.num_rows
        if writer is not None:
            writer.close()
        return count

    def _told(self, item: Rejected, learned: Learned) -> None:
        column = item.detail.partition(":")[0]
        is_typed = " is not of type " in item.detail and learned.columns.get(column, "text") != "text"
        if is_typed and learned.type_met(column, "text"):
            raise LearnedError

    def _transformed(self, rows: pa.Table, names: list[str], rejected: list[Rejected]) -> pa.Table:
        if not self._transformer.is_there:
            return rows
        records, failed = self._transformer.run(rows.to_pylist())
        rejected += failed
        schema = pa.schema([(name, pa.string()) for name in names])
        return pa.Table.from_pylist([{name: as_text(r.get(name)) for name in names} for r in records], schema)

    def _open(
        self, con: duckdb.DuckDBPyConnection, uri: str, rejected: list[Rejected], key: str
    ) -> dict[str, ColumnType]:
        """The file as the view `lines`, every column text; its columns with the types that they seem to have."""
        if self._table.format == "ndjson":
            return self._open_ndjson(con, uri, rejected, key)
        if self._table.format == "parquet":
            con.execute(f"create temp view given as from read_parquet({literal(uri)})")
            names = dict(con.execute("select column_name, column_type from (describe given)").fetchall())
            texts = ", ".join(f"{quoted(name)}::varchar as {quoted(name)}" for name in names)
            con.execute(f"create temp view lines as select {texts} from given")
            return {name: _KINDS.get(kind.partition("(")[0], "text") for name, kind in names.items()}
        con.execute(
            f"create temp table given as from read_csv({literal(uri)}, header = true, all_varchar = true, delim = ',', "
            "quote = '\"', escape = '\"', store_rejects = true, nullstr = '')"
        )
        broken = con.execute("select any_value(error_message), any_value(csv_line) from reject_errors group by line")
        rejected += [Rejected("broken line", f"{key}: {message}", str(text)) for message, text in broken.fetchall()]
        con.execute("create temp view lines as from given")
        return {name: "text" for (name,) in con.execute("select column_name from (describe given)").fetchall()}

    def _open_ndjson(
        self, con: duckdb.DuckDBPyConnection, uri: str, rejected: list[Rejected], key: str
    ) -> dict[str, ColumnType]:
        con.execute(
            f"create temp table given as select trim(line) as line from read_csv({literal(uri)}, header = false, "
            f"columns = {{line: 'VARCHAR'}}, delim = '{_NEVER}', quote = '', escape = '', auto_detect = false, "
            "max_line_size = 8388608) where trim(coalesce(line, '')) <> ''"
        )
        is_record = "json_valid(line) and json_type(case when json_valid(line) then line end) = 'OBJECT'"
        broken = con.execute(f"select line from given where not coalesce({is_record}, false)").fetchall()
        rejected += [Rejected("broken line", f"{key}: no JSON object", str(text)) for (text,) in broken]
        con.execute(f"create temp view records as select line from given where coalesce({is_record}, false)")
        met = con.execute(
            "select key, list(distinct json_type(line, '$.\"' || replace(key, '\"', '\\\"') || '\"')) from "
            "(select line, unnest(json_keys(line)) as key from records) group by 1 order by 1"
        ).fetchall()
        texts = ", ".join(
            f"json_extract_string(line, {literal(f'$.{json.dumps(name)}')}) as {quoted(name)}" for name, _ in met
        )
        con.execute(f"create temp view lines as select {texts or 'line'} from records")
        return {name: _json_kind(set(kinds)) for name, kinds in met}

    def _remembered(self) -> dict[str, Any]:
        shape = msgspec.json.encode([self._table.declaration, self._table.format, self._table.key]).decode()
        told = {"lake": self._settings.lake_url, "shape": shape + self._table.transform + self._table.deletes}
        try:
            found = json.loads(self._memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        is_same = isinstance(found, dict) and all(found.get(name) == value for name, value in told.items())
        return found if is_same else {**told, "files": {}}

    def _remember(self, seen: dict[str, Any]) -> None:
        part = self._memory.with_suffix(".part")
        part.write_text(json.dumps(seen), encoding="utf-8")
        part.replace(self._memory)


def _json_kind(found: set[str]) -> ColumnType:
    kinds = {_JSON_KINDS.get(kind, "json") for kind in found - {"NULL"}}
    if kinds == {"integer", "double"}:
        return "double"
    return kinds.pop() if len(kinds) == 1 else "json" if "json" in kinds else "text"
