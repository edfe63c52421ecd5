"""`survivorship.yaml`: what a company believes otherwise, held against the traits and sources that there are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from headwater.configuration import load_config
from headwater.configuration.dbt_vars import dbt_vars
from headwater.errors import ConfigError
from headwater.settings import CHECKOUT, load_settings


def _folder(tmp_path: Path, text: str | None) -> Path:
    folder = tmp_path / "config"
    shutil.copytree(CHECKOUT / "config" / "examples" / "minimal", folder)
    if text is not None:
        (folder / "survivorship.yaml").write_text(text)
    return folder


def _vars(folder: Path, tmp_path: Path) -> dict[str, object]:
    config = load_config(load_settings(home=tmp_path / "home", config=folder))
    return dbt_vars(config.platform, config.sources, config.survivorship)


def test_a_company_without_the_file_says_nothing_and_has_the_projects_rules(tmp_path: Path) -> None:
    assert "survivorship" not in _vars(_folder(tmp_path, None), tmp_path)


def test_a_trait_of_the_file_replaces_that_of_the_project_and_leaves_the_others(tmp_path: Path) -> None:
    found = _vars(_folder(tmp_path, "phone: {rule: most_recent, sources: [events]}"), tmp_path)["survivorship"]
    assert isinstance(found, dict)
    assert found["phone"] == {"rule": "most_recent", "sources": ["events"]}
    assert found["birth_date"]["sources"] == ["crm", "events"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fone: {rule: first, sources: [crm]}", "«fone» is no trait; there are: account_id, "),
        ("phone: {rule: first, sources: [payments]}", "«payments» tells nothing of it; sources that do: crm, events"),
        ("phone: {rule: first, sources: []}", "name each source once, and one at least"),
        ("phone: {rule: loudest, sources: [crm]}", "loudest"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_sentence_with_the_choices(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        _vars(_folder(tmp_path, text), tmp_path)
    assert "survivorship.yaml" in str(error.value)
    assert said in str(error.value)


def test_the_example_companys_own_file_is_valid(tmp_path: Path) -> None:
    assert load_config(load_settings(home=tmp_path / "home", config=CHECKOUT / "config")).survivorship
