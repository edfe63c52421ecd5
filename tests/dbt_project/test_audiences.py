"""An audience is one SQL file and one YAML: nothing else names it, and it appears wherever audiences do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.docs import documents

from .conftest import AS_OF, PROJECT, fill

pytestmark = pytest.mark.slow

# the example of CONTRIBUTING
FILES = {
    match.group(1): content
    for _, language, content in documents.fences()
    if (match := re.match(r"(?:#|--) (dbt_project/models/audiences/\S+)\n", content))
}


@dataclass(frozen=True)
class Project:
    """A copy of the project with an audience more, and a home that it builds."""

    folder: Path
    home: Path

    def build(self, as_of: str, *select: str) -> None:
        """Without its tests."""
        self.dbt("build", as_of, *select, "--resource-type", "model", "--resource-type", "seed")

    def dbt(self, command: str, as_of: str, *select: str, fails: bool = False) -> str:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("HEADWATER", "DBT"))}
        dbt = str(Path(sys.executable).parent / "dbt")
        result = subprocess.run(
            [dbt, *command.split(), "--select", *select],
            cwd=self.folder,
            env={**environment, "HEADWATER_HOME": str(self.home), "HEADWATER_AS_OF": as_of},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (result.returncode != 0) == fails, result.stdout + result.stderr
        return result.stdout

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.home / "warehouse.duckdb")) as con:
            return con.execute(statement).fetchall()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("audiences")
    made = Project(folder / "dbt_project", folder / "home")
    shutil.copytree(PROJECT, made.folder)
    fill(made.home)
    made.build(AS_OF, "+customer_activation")
    assert len(FILES) == 2
    for path, content in FILES.items():
        (folder / path).write_text(content)
    (selected,) = re.findall(
        r"^dbt build --select (.*people_who_asked.*)$", documents.text("CONTRIBUTING.md"), re.MULTILINE
    )
    made.dbt("build", AS_OF, *selected.split())
    yield made


def test_a_new_audience_is_a_column_of_the_profile_and_a_membership(project: Project) -> None:
    flags = project.execute("select customer_id, is_people_who_asked from marts.customer_activation order by 1")
    assert flags == [("ann", False), ("bob", False), ("cat", True), ("dan", False), ("eve", False)]
    assert project.execute(
        "select customer_id, entered_at from audiences.memberships where audience = 'people_who_asked'"
    ) == [("cat", datetime.fromisoformat(AS_OF))]


def test_the_column_of_a_new_audience_says_what_it_is_in_the_catalogue(project: Project) -> None:
    project.dbt("docs generate", AS_OF, "customer_activation")
    catalogue = json.loads((project.home / "dbt" / "target" / "catalog.json").read_text(encoding="utf-8"))
    (view,) = catalogue["nodes"].values()
    assert view["columns"]["is_people_who_asked"]["comment"] == (
        "Whether the person is in `people_who_asked`. One row per person who ever wrote to the help line."
    )


def test_every_other_audience_is_a_column_too(project: Project) -> None:
    columns = {row[0] for row in project.execute("describe marts.customer_activation")}
    shipped = {path.stem for path in (PROJECT / "models" / "audiences").glob("*.sql")}
    assert {f"is_{name}" for name in shipped - {"audience_history", "memberships"}} <= columns


def test_history_tells_who_came_and_left_and_the_same_build_again_adds_nothing(project: Project) -> None:
    history = (
        "select customer_id, entered_at, left_at from audiences.audience_history"
        " where audience = 'people_who_asked' order by all"
    )
    first, later, last = (datetime.fromisoformat(at) for at in (AS_OF, "2026-03-16 12:00:00", "2026-03-17 12:00:00"))
    changed = (
        *("int_as_of", "int_support_contacts_identified", "int_support_summarised", "customer_360"),
        "people_who_asked",
    )
    project.build(AS_OF, "people_who_asked")
    assert project.execute(history) == [("cat", first, None)]
    project.execute("delete from raw.support__tickets")
    project.execute(
        "insert into raw.support__tickets (id, user_id, status, created_at)"
        " values ('t3', 'u_ann', 'open', '2026-03-16')"
    )
    project.build(str(later), *changed)
    project.build(str(later), "people_who_asked")
    assert project.execute(history) == [("ann", later, None), ("cat", first, later)]
    project.execute("update raw.support__tickets set user_id = 'u_cat'")
    project.build(str(last), *changed)
    assert project.execute(history) == [("ann", later, last), ("cat", first, later), ("cat", last, None)]
    assert project.execute("select customer_id from marts.customer_activation where is_people_who_asked") == [("cat",)]


def test_a_profile_whose_columns_are_not_as_declared_fails_its_check(project: Project) -> None:
    declared = project.folder / "models" / "marts" / "customer_activation.yml"
    before = declared.read_text()
    typed = "name: count_orders\n        data_type: {}".format
    changed = before.replace(typed("bigint"), typed("string"))
    assert changed != before
    check = "customer_activation,test_name:columns_as_declared"
    try:
        declared.write_text(changed)
        assert "Got 1 result" in project.dbt("test", AS_OF, check, fails=True)
    finally:
        declared.write_text(before)
    project.dbt("test", AS_OF, check)


def test_a_merge_makes_nobody_come_or_leave(project: Project) -> None:
    """The record keeps the ids of then; who was in it under a former id leaves as the person that the id leads to."""
    history = (
        "select customer_id, entered_at, left_at from audiences.audience_history"
        " where audience = 'people_who_asked' order by all"
    )
    recorded = "select count(*) from audiences.membership_changes where audience = 'people_who_asked'"
    project.build("2026-03-18 12:00:00", "+people_who_asked")
    (cat, since, _), count = project.execute(history)[-1], project.execute(recorded)
    assert cat == "cat"
    project.execute("update identity.identifiers set customer_id = 'ann' where customer_id = 'cat'")
    project.execute("insert into identity.successors (former_id, customer_id) values ('cat', 'ann')")
    project.build("2026-03-19 12:00:00", "+people_who_asked")
    assert project.execute("select customer_id from audiences.people_who_asked") == [("ann",)]
    assert project.execute(recorded) == count
    assert project.execute(history)[-1][::2] == ("ann", None)
    assert {row[0] for row in project.execute(history)} == {"ann"}
    assert project.execute(history)[-1][1] <= since
    project.execute("delete from raw.support__tickets")
    project.build("2026-03-20 12:00:00", "+people_who_asked")
    assert project.execute(history)[-1][2] == datetime.fromisoformat("2026-03-20 12:00:00")
    assert project.execute("select count(*) from audiences.memberships where audience = 'people_who_asked'") == [(0,)]
