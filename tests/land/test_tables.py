"""CSV tables: typed rows, whole refusals, single lines kept aside, nothing twice."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from headwater.configuration import ColumnType, Config, CsvSource, CsvTable
from headwater.land.tables import TableLanded, land_tables
from headwater.settings import Settings
from headwater.storage.lake import LocalLake

Rows = Callable[[str], list[tuple[Any, ...]]]
COLUMNS: dict[str, ColumnType] = {
    "order_id": "text",
    "line_no": "integer",
    "amount": "decimal",
    "at": "timestamp",
    "is_gift": "boolean",
}
HEADER = "order_id,line_no,amount,at,is_gift\n"


@pytest.fixture
def config(config_of: Callable[..., Config]) -> Config:
    table = CsvTable(file="relational/lines.csv.gz", primary_key=["order_id", "line_no"], columns=dict(COLUMNS))
    return config_of(shop=CsvSource(tables={"lines": table}))


@pytest.fixture
def land(settings: Settings, config: Config, tmp_path: Path) -> Callable[[bytes | str], TableLanded]:
    """Write the file as given (text is packed) and land it."""

    def run(content: bytes | str) -> TableLanded:
        path = tmp_path / "data" / "relational" / "lines.csv.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else gzip.compress(content.encode(), mtime=0))
        return land_tables(settings, config, tmp_path / "data").tables["shop__lines"]

    return run


def test_lines_become_typed_rows_in_their_order(land: Callable[..., TableLanded], landed_rows: Rows) -> None:
    report = land(HEADER + 'A,1,2.55,2010-12-01T08:26:00.000Z,true\n"B ""x"", y",2,-0.1,2010-12-01 09:00:00,\n')
    assert report == TableLanded(rows=2, quarantined=0, objects=1)
    assert landed_rows("extracts/shop/lines/") == [
        ("A", 1, Decimal("2.55"), datetime(2010, 12, 1, 8, 26), True),
        ('B "x", y', 2, Decimal("-0.1"), datetime(2010, 12, 1, 9), None),
    ]


def test_columns_that_the_config_does_not_name_and_another_order_do_no_harm(
    land: Callable[..., TableLanded], landed_rows: Rows
) -> None:
    land("extra,is_gift,at,amount,line_no,order_id\nx,false,2011-01-01,1,7,A\n")
    assert landed_rows("extracts/") == [("A", 7, Decimal(1), datetime(2011, 1, 1), False)]


def test_equal_lines_with_another_key_are_kept(land: Callable[..., TableLanded]) -> None:
    assert land(HEADER + "A,1,1,2011-01-01,true\nA,2,1,2011-01-01,true\n").rows == 2


def test_a_line_that_does_not_fit_is_kept_aside_with_its_reason_and_the_rest_goes_on(
    land: Callable[..., TableLanded], landed_rows: Rows
) -> None:
    report = land(
        HEADER
        + "A,1,1,2011-01-01,true\n"
        + "A,2.5,1,2011-01-01,true\n"  # not a whole number
        + "A,3,cheap,2011-01-01,true\n"
        + "A,4,1,yesterday,true\n"
        + ",5,1,2011-01-01,true\n"  # no key
        + "A,6,1\n"  # columns are missing
        + "A,7,1,2011-01-01,true\n"
    )
    assert (report.rows, report.quarantined) == (2, 5)
    aside = landed_rows("quarantine/tables/")
    assert sorted(reason for reason, *_ in aside) == ["broken line", *["wrong type"] * 4]
    assert "line_no: «2.5» is not of type integer" in " ".join(detail for *_, detail in aside)
    assert any('"line_no":"2.5"' in payload for _, _, _, payload, _ in aside)


def test_a_file_without_a_declared_column_is_refused_whole_and_once(
    land: Callable[..., TableLanded], landed_rows: Rows, lake: LocalLake
) -> None:
    for _ in range(2):
        assert land("order_id,line_no,at,is_gift\nA,1,2011-01-01,true\n") == TableLanded(quarantined=1)
    assert lake.list("extracts/") == []
    ((reason, source, _, payload, detail),) = landed_rows("quarantine/")
    assert (reason, source, payload) == ("missing column", "shop__lines", "order_id,line_no,at,is_gift")
    assert "has no column amount" in detail


@pytest.mark.parametrize(
    "content",
    [gzip.compress(HEADER.encode() * 5000, mtime=0)[:60], b"\x1f\x8b", b"", b"\xff\xfe\x00bad"],
    ids=["cut", "header only", "empty", "not text"],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_reason(
    land: Callable[..., TableLanded], landed_rows: Rows, content: bytes
) -> None:
    assert land(content) == TableLanded(quarantined=1)
    ((reason, *_),) = landed_rows("quarantine/")
    assert reason in ("unreadable file", "missing column")


def test_a_file_that_is_not_there_is_named(
    settings: Settings, config: Config, tmp_path: Path, landed_rows: Rows
) -> None:
    assert land_tables(settings, config, tmp_path).tables["shop__lines"] == TableLanded(quarantined=1)
    assert landed_rows("quarantine/")[0][0] == "missing file"


def test_a_file_lands_once_also_when_it_was_only_touched(land: Callable[..., TableLanded], lake: LocalLake) -> None:
    text = HEADER + "".join(f"A,{n},{n}.5,2011-01-01,true\n" for n in range(5000))
    assert land(text).objects == 1
    assert land(text) == TableLanded()
    assert land(text + "A,5000,1,2011-01-01,true\n").objects == 1
    assert len(lake.list("extracts/")) == 2


def test_a_file_that_returns_to_what_it_once_was_lands_anew(land: Callable[..., TableLanded], lake: LocalLake) -> None:
    first, second = (f"{HEADER}A,1,{amount},2011-01-01,true\n" for amount in (1, 2))
    assert [land(text).objects for text in (first, second, first, first)] == [1, 1, 1, 0]
    keys = [item.key.rpartition("-")[2] for item in lake.list("extracts/")]
    assert keys[0] == keys[2] != keys[1]


def test_without_a_data_folder_there_is_nothing_to_land(settings: Settings, config: Config) -> None:
    assert land_tables(settings, config).tables == {"shop__lines": TableLanded()}
