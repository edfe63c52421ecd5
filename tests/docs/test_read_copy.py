"""The README's lines for a notebook read the copy, also while it is swapped, and under the name that views know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb

from headwater.settings import load_settings
from headwater.storage.warehouse import connect, ensure_schemas, publish
from tests.docs import documents

(LINES,) = [
    content for name, language, content in documents.fences() if (name, language) == ("README.md", "python")
    and content.startswith("import duckdb")
]  # fmt: skip


def _published(folder: Path, revenue: int) -> Path:
    """A home in `var`, as in a checkout, whose scorecard, behind a view, has one row."""
    settings = load_settings(home=folder / "var")
    with connect(settings, purpose="fixture") as con:
        ensure_schemas(con)
        con.execute("create schema if not exists marts")
        con.execute(
            "create or replace table marts.numbers as select 'Revenue' as title,"
            f" {revenue} as value, 0.5 as change, 'last_month' as period, 1 as place"
        )
        con.execute("create or replace view marts.executive_scorecard as from warehouse.marts.numbers")
    publish(settings)
    return settings.warehouse_read


def _said(folder: Path) -> str:
    return subprocess.run([sys.executable, "-c", LINES], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_a_notebook_reads_what_was_published_last(tmp_path: Path) -> None:
    _published(tmp_path, 1234)
    assert "Revenue" in _said(tmp_path) and "1234" in _said(tmp_path)
    _published(tmp_path, 5678)
    assert "5678" in _said(tmp_path)


def test_an_open_connection_goes_on_with_the_copy_that_it_has(tmp_path: Path) -> None:
    with duckdb.connect(str(_published(tmp_path, 1234)), read_only=True) as notebook:
        _published(tmp_path, 5678)
        assert notebook.execute("select value from marts.executive_scorecard").fetchall() == [(1234,)]


def test_a_tool_that_attaches_files_reads_views_under_the_name_warehouse(tmp_path: Path) -> None:
    path = _published(tmp_path, 1234)
    with duckdb.connect() as tool:
        tool.execute(f"attach '{path}' as warehouse (read_only)")
        assert tool.execute("select value from warehouse.marts.executive_scorecard").fetchall() == [(1234,)]
