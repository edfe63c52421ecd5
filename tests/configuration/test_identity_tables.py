"""The tables and columns that identity.yaml names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from headwater.configuration import load_config
from headwater.errors import ConfigError
from headwater.settings import CHECKOUT, load_settings

CONFIG = CHECKOUT / "config"


def line_of(path: Path, text: str) -> int:
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def edited(tmp_path: Path, old: str, new: str, *, of: Path = CONFIG, file: str = "identity.yaml") -> Path:
    """A config folder with one file changed."""
    folder = tmp_path / "config"
    shutil.copytree(of, folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    return folder


def complaint(folder: Path, tmp_path: Path) -> str:
    with pytest.raises(ConfigError) as told:
        load_config(load_settings(home=tmp_path / "home", config=folder))
    return str(told.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{table: raw.crm__leads, ids", "{table: raw.crm__leeds, ids"),
        ("{table: raw.crm__contacts, ids: {crm_id: id}, account", "{table: crm__contacts, ids: {crm_id: id}, account"),
    ],
)
def test_a_table_that_nobody_declares_is_named_with_its_line_and_the_nearest_names(
    tmp_path: Path, old: str, new: str
) -> None:
    folder = edited(tmp_path, old, new)
    told, path = complaint(folder, tmp_path), folder / "identity.yaml"
    wrong, right = (text.partition("table: ")[2].partition(",")[0] for text in (new, old))
    assert told.startswith(f"{path}, line {line_of(path, new)}: there is no table «{wrong}»; the nearest ")
    assert right in told


def test_a_company_without_a_tool_keeps_the_edges_over_its_tables(tmp_path: Path) -> None:
    folder = edited(tmp_path, "edges:", "edges:", of=CONFIG / "examples" / "minimal")
    shutil.copy(CONFIG / "identity.yaml", folder / "identity.yaml")
    config = load_config(load_settings(home=tmp_path / "home", config=folder))
    assert "crm" not in config.sources
    assert "raw.crm__leads" in {edge.table for edge in config.identity.edges}


def test_tables_of_events_may_come_with_the_events_that_fill_them(tmp_path: Path) -> None:
    edge = "edges:\n  - {table: events.shoe_tried_on, ids: {user_id: user_id}}"
    config = load_config(load_settings(home=tmp_path / "home", config=edited(tmp_path, "edges:", edge)))
    assert config.identity.edges[0].table == "events.shoe_tried_on"


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (
            "{table: raw.payments__customers, ids: {payment_id: id,",
            "{table: raw.payments__customers, ids: {payment_id: iid,",
            "the edge over raw.payments__customers names column «iid» for payment_id; sources.yaml declares: id, ",
        ),
        (
            "account: account_id}",
            'account: "acount_id"}',
            "the accounts of raw.crm__contacts names column «acount_id» for account; sources.yaml declares: id, ",
        ),
    ],
)
def test_a_column_that_the_source_does_not_declare_is_named_with_its_line_and_those_there_are(
    tmp_path: Path, old: str, new: str, what: str
) -> None:
    folder = edited(tmp_path, old, new)
    path = folder / "identity.yaml"
    assert complaint(folder, tmp_path).startswith(f"{path}, line {line_of(path, new)}: {what}")


@pytest.mark.parametrize("sql", ["lower(email)", "EMAIL", "_lake_object", "'x' || id"])
def test_expressions_and_columns_of_the_platforms_own_are_left_to_the_warehouse(tmp_path: Path, sql: str) -> None:
    folder = edited(
        tmp_path, "{table: raw.crm__leads, ids: {email: email}}", f'{{table: raw.crm__leads, ids: {{email: "{sql}"}}}}'
    )
    load_config(load_settings(home=tmp_path / "home", config=folder))


@pytest.mark.parametrize(
    ("file", "old", "new", "what"),
    [
        (
            "identity.yaml",
            "{table: raw.crm__leads, ids: {email: email}}",
            "{table: raw.crm__leads, ids: {emial: email}}",
            "the edge over raw.crm__leads names id type «emial»; defined are: user_id, ",
        ),
        (
            "identity.yaml",
            "limits: {user_id: 1, email: 3,",
            "limits: {user_id: 1, emial: 3,",
            "a limit of user_id names",
        ),
        (
            "identity.yaml",
            "\ninclude: []",
            '\ninclude: [{ids: ["user_id:u1", "shoe:44"], reason: r}]',
            "«shoe:44» names id type «shoe»",
        ),
        (
            "identity.yaml",
            "\nexclude: []",
            '\nexclude:\n  - {ids: ["user_id:u1"], reason: " "}',
            "exclude of user_id:u1 gives no reason",
        ),
        ("syncs/{sync}.yaml", "destination: ", "destination: no_", "destination «no_"),
        ("sources.yaml", "\nsources:", "\nimport_source: nobody\nsources:", "import_source «nobody»"),
    ],
)
def test_what_a_file_says_that_no_other_knows_is_told_with_its_line(
    tmp_path: Path, file: str, old: str, new: str, what: str
) -> None:
    file = file.format(sync=sorted((CONFIG / "syncs").glob("*.yaml"))[0].stem)
    folder = edited(tmp_path, old, new, file=file)
    path = folder / file
    said = next(line for line in reversed(new.splitlines()) if line != "sources:")
    assert complaint(folder, tmp_path).startswith(f"{path}, line {line_of(path, said)}: {what}")
