"""Tables out of files: CSV, NDJSON and Parquet, in a folder and on S3; new, changed, broken and late columns."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater.configuration import Config, Contract, FilesSource, FileTable
from headwater.errors import DataError, UnavailableError
from headwater.land.extracts import Pulled
from headwater.land.file_tables import try_land_file_tables
from headwater.load.extracts import load_extracts
from headwater.settings import Settings
from headwater.storage.lake import LocalLake
from headwater.storage.lake.s3 import S3Lake
from headwater.storage.warehouse import ensure_schemas
from tests.s3_front import front
from tests.s3_server import KEYS, s3_server

COLUMNS: dict[str, Any] = {"id": "text", "amount": "integer", "at": "timestamp"}


@pytest.fixture
def folder(settings: Settings) -> Path:
    found = settings.inbox / "books"
    found.mkdir(parents=True)
    return found


@pytest.fixture
def books(config_of: Callable[..., Config]) -> Config:
    """A config whose source `books` has a table of each format in the inbox."""
    paths = {"csv": "sales/*.csv*", "ndjson": "refunds*.ndjson", "parquet": "stock.parquet"}
    tables = {kind: FileTable(path=path, format=kind, columns=dict(COLUMNS)) for kind, path in paths.items()}
    return config_of(books=FilesSource(location="books", tables=tables))


def table_of(config: Config, name: str) -> FileTable:
    source = config.sources["books"]
    assert isinstance(source, FilesSource)
    return source.tables[name]


def land(settings: Settings, config: Config) -> Pulled:
    report = try_land_file_tables(settings, config, "books")
    report.check()
    return report


def loaded(lake: LocalLake, config: Config, table: str, columns: str = "id, amount") -> list[Any]:
    with duckdb.connect() as con:
        ensure_schemas(con)
        load_extracts(con, lake, config, "books")
        return con.execute(f"select {columns} from raw.books__{table} order by all").fetchall()


def test_each_format_lands_typed_and_an_unchanged_file_is_not_read_again(
    settings: Settings, books: Config, folder: Path, lake: LocalLake
) -> None:
    (folder / "sales").mkdir()
    (folder / "sales" / "1.csv").write_text('id,amount,at\na,1,2026-01-01T00:00:00\n"b, c",,2026-01-02\n')
    (folder / "sales" / "2.csv.gz").write_bytes(gzip.compress(b"id,amount,at\nd,4,\n"))
    (folder / "refunds-1.ndjson").write_text('{"id": "r1", "amount": 5, "at": "2026-01-01T00:00:00Z"}\n\n')
    duckdb.execute(
        f"copy (select 's1' as id, 7::bigint as amount, timestamp '2026-01-01' as at) to '{folder}/stock.parquet'"
    )
    report = land(settings, books)
    assert {name: table.rows for name, table in report.tables.items()} == {"csv": 3, "ndjson": 1, "parquet": 1}
    assert all(not table.changes and not table.quarantined for table in report.tables.values())
    assert loaded(lake, books, "csv") == [("a", 1), ("b, c", None), ("d", 4)]
    assert loaded(lake, books, "ndjson") == [("r1", 5)]
    assert loaded(lake, books, "parquet") == [("s1", 7)]
    before = lake.list("extracts/")
    assert all(table.rows == 0 for table in land(settings, books).tables.values())
    assert lake.list("extracts/") == before


def test_a_file_that_changed_is_read_again_and_its_rows_replace_the_older_ones(
    settings: Settings, books: Config, folder: Path, lake: LocalLake
) -> None:
    (folder / "refunds.ndjson").write_text('{"id": "r1", "amount": 5, "at": null}\n')
    land(settings, books)
    (folder / "refunds.ndjson").write_text('{"id": "r1", "amount": 50, "at": null}\n')
    assert land(settings, books).tables["ndjson"].rows == 1
    assert loaded(lake, books, "ndjson") == [("r1", 50)]


def test_a_file_that_returns_to_what_it_once_was_or_says_what_one_once_said_has_the_last_word(
    settings: Settings, books: Config, folder: Path, lake: LocalLake
) -> None:
    first, second = '{"id": "r1", "amount": 5, "at": null}\n', '{"id": "r1", "amount": 50, "at": null}\n'
    for text in (first, second, first):
        (folder / "refunds-1.ndjson").write_text(text)
        land(settings, books)
    assert loaded(lake, books, "ndjson") == [("r1", 5)]
    (folder / "refunds-2.ndjson").write_text(second)
    land(settings, books)
    (folder / "refunds-1.ndjson").touch()
    assert land(settings, books).tables["ndjson"].objects == 0
    assert loaded(lake, books, "ndjson") == [("r1", 50)]


def test_with_a_cursor_the_newer_row_stays_in_whatever_order_files_arrive(
    settings: Settings, books: Config, folder: Path, lake: LocalLake
) -> None:
    table_of(books, "ndjson").cursor = "at"
    (folder / "refunds-2.ndjson").write_text('{"id": "r1", "amount": 2, "at": "2026-02-01T00:00:00"}\n')
    land(settings, books)
    (folder / "refunds-1.ndjson").write_text('{"id": "r1", "amount": 1, "at": "2026-01-01T00:00:00"}\n')
    land(settings, books)
    assert loaded(lake, books, "ndjson") == [("r1", 2)]


def test_lines_that_do_not_fit_are_kept_aside_and_the_rest_lands(
    settings: Settings, books: Config, folder: Path, lake: LocalLake, landed_rows: Callable[[str], list[Any]]
) -> None:
    good = '{"id": "r1", "amount": 1, "at": null}'
    lines = [good, '{"id": "r2", "amount": "many", "at": null}', '{"id": "r3", "am', "[1]", '{"amount": 1, "at": null}']
    (folder / "refunds.ndjson").write_text("\n".join(lines))
    found = land(settings, books).tables["ndjson"]
    assert (found.rows, found.quarantined) == (1, 4)
    assert found.changes == ["column amount is declared as integer and holds text: discard"]
    assert sorted(row[0] for row in landed_rows("quarantine/extracts/")) == [
        "broken line",
        "broken line",
        "wrong type",
        "wrong type",
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"id,at\na,\n", "missing column"), (b"\x1f\x8b\x08broken", "unreadable file"), (b"", "missing column")],
)
def test_a_file_without_a_declared_column_or_that_cannot_be_read_is_refused_and_the_next_one_lands(
    content: bytes,
    reason: str,
    settings: Settings,
    books: Config,
    folder: Path,
    lake: LocalLake,
    landed_rows: Callable[[str], list[Any]],
) -> None:
    (folder / "sales").mkdir()
    (folder / "sales" / ("1.csv.gz" if content.startswith(b"\x1f") else "1.csv")).write_bytes(content)
    (folder / "sales" / "2.csv").write_text("id,amount,at\na,1,\n")
    found = land(settings, books).tables["csv"]
    assert (found.rows, found.quarantined) == (1, 1)
    assert [row[0] for row in landed_rows("quarantine/extracts/")] == [reason]


def test_columns_and_types_follow_the_contract(
    settings: Settings, books: Config, folder: Path, lake: LocalLake
) -> None:
    (folder / "refunds-1.ndjson").write_text('{"id": "r1", "amount": 1, "at": null}\n')
    land(settings, books)
    table_of(books, "ndjson").contract = Contract(types="evolve")
    (folder / "refunds-2.ndjson").write_text('{"id": "r2", "amount": "many", "at": null, "colour": "red"}\n')
    assert len(land(settings, books).tables["ndjson"].changes) == 2
    assert loaded(lake, books, "ndjson", "id, amount, colour") == [("r1", "1", None), ("r2", "many", "red")]
    table_of(books, "ndjson").contract = Contract(columns="freeze")
    with pytest.raises(DataError, match="has columns that are not declared: colour"):
        land(settings, books)


@pytest.mark.slow
def test_files_on_s3_land_as_those_in_a_folder(
    settings: Settings, books: Config, lake: LocalLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = books.sources["books"]
    assert isinstance(source, FilesSource)
    source.location = "s3://bucket/books"
    (tmp_path / "s3").mkdir()
    with s3_server(tmp_path / "s3") as endpoint:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": endpoint}.items():
            monkeypatch.setenv(name, value)
        bucket = S3Lake(source.location)
        bucket.put("sales/1.csv", b"id,amount,at\na,1,\n")
        assert land(settings, books).tables["csv"].rows == 1
        assert land(settings, books).tables["csv"].rows == 0
        bucket.put("sales/1.csv", b"id,amount,at\na,2,\n")
        assert land(settings, books).tables["csv"].rows == 1
    assert loaded(lake, books, "csv") == [("a", 2)]


@pytest.mark.slow
def test_a_file_on_s3_that_could_not_be_fetched_is_not_held_against_it(
    settings: Settings, books: Config, lake: LocalLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = books.sources["books"]
    assert isinstance(source, FilesSource)
    source.location = "s3://bucket/books"
    (tmp_path / "s3").mkdir()
    with s3_server(tmp_path / "s3") as endpoint, front(endpoint) as before:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": before.url}.items():
            monkeypatch.setenv(name, value)
        S3Lake(source.location).put("sales/1.csv", b"id,amount,at\na,1,\n")
        before.fails = lambda kind, path: kind != "LIST"
        with pytest.raises(UnavailableError, match=r"s3://bucket/books/sales/1.csv cannot be read: .*503"):
            land(settings, books)
        before.fails = lambda kind, path: False
        assert land(settings, books).tables["csv"].rows == 1
    assert loaded(lake, books, "csv") == [("a", 1)]


def test_what_a_file_holds_that_does_not_fit_is_told_until_the_file_or_another_one_has_it_right(
    settings: Settings, books: Config, folder: Path
) -> None:
    def told() -> tuple[int, str]:
        found = land(settings, books).tables["csv"]
        return found.aside, found.kept_aside[:22]

    sales = folder / "sales"
    sales.mkdir()
    (sales / "1.csv").write_text("id,amount,at\na,1,2026-01-01\nb,many,2026-01-01\nc,few,2026-01-01\n")
    assert told() == (2, "2 rows are kept aside ")
    assert told() == (2, "2 rows are kept aside ")
    (sales / "2.csv").write_text("id,amount,at\nb,2,2026-01-01\n")
    assert told() == (1, "1 row is kept aside (r")
    (sales / "3.csv").write_text("id,at\nd,2026-01-01\n")
    assert told()[0] == 2
    (sales / "3.csv").unlink()
    assert told()[0] == 1
    (sales / "1.csv").write_text("id,amount,at\na,1,2026-01-01\nb,1,2026-01-01\nc,33,2026-01-01\n")
    assert told() == (0, "")
