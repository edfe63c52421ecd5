"""A wrong config names its file, its line and what would be right."""

from __future__ import annotations

import pytest

from headwater.configuration import Platform, RestSource, SourcesFile, load_config, read_yaml
from headwater.errors import ConfigError
from headwater.settings import CHECKOUT, load_settings

GOOD = """\
sources:
  web:
    kind: events
    write_keys: [a]
  crm:
    kind: rest
    base_url: http://127.0.0.1
    token: ${NO_SUCH_VARIABLE:-t}
    tables:
      contacts:
        path: contacts
        columns:
          id: text
          age: integer
      deals:
        path: deals
        contract: {columns: freeze}
        columns: {id: text}
import_source: web
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("    write_keys: [a]", "    write_keyz: [a]", 4, "Valid keys here: kind, write_keys,"),
        ("          age: integer", "          age: number", 14, "Valid values: boolean, date, decimal"),
        ("    kind: events", "    kind: evnts", 3, "Valid values: events, rest, conversations, csv"),
        ("        path: contacts\n", "", 11, "missing required field `path`"),
        ("    write_keys: [a]", "    write_keys: a", 4, "Expected `array`, got `str`"),
        (
            "contract: {columns: freeze}",
            "contract: freeze",
            17,
            "contract: Expected `object`, got `str`. Valid keys here: c",
        ),
        (
            "contract: {columns: freeze}",
            "contract: {columns: freez}",
            17,
            "columns: Invalid enum value 'freez'. Valid values: d",
        ),
        (
            "contract: {columns: freeze}",
            "contract: {columns: 3}",
            17,
            "got `int`. Valid values: discard, evolve, freeze",
        ),
        ("path: deals", "path: deals\n        overlap: long", 17, "overlap: Expected `float`, got `str`"),
        ("path: deals", "path: deals\n        primary_key: 3", 17, "primary_key: Expected `str | array`, got `int`"),
        (
            "kind: rest",
            "kind: rest\n    auth: bearer",
            7,
            "auth: Expected `object | null`, got `str`. Valid keys here: kind, t",
        ),
        ("kind: rest", "kind: rest\n    history_from: soon", 7, "history_from: Invalid RFC3339"),
        ("import_source: web", "import_source: [web", 20, "not YAML"),
    ],
)
def test_a_wrong_key_or_value_names_file_line_and_the_valid_choices(tmp_path, old, new, line, says):
    path = tmp_path / "sources.yaml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as raised:
        read_yaml(path, SourcesFile)
    assert f"sources.yaml, line {line}: " in str(raised.value)
    assert says in str(raised.value)


def test_values_come_from_the_environment_or_their_default(tmp_path, monkeypatch):
    path = tmp_path / "sources.yaml"
    path.write_text(GOOD)
    assert _crm(path).token == "t"
    monkeypatch.setenv("NO_SUCH_VARIABLE", "secret")
    assert _crm(path).token == "secret"


def test_a_variable_without_value_or_default_is_named(tmp_path):
    path = tmp_path / "platform.yaml"
    path.write_text("company: x\ncurrency: ${NO_SUCH_CURRENCY}\nstacks: []\n")
    with pytest.raises(ConfigError, match="NO_SUCH_CURRENCY"):
        read_yaml(path, Platform)


def test_a_var_that_the_dbt_project_does_not_have_is_named_with_those_that_it_has(tmp_path):
    for path in (CHECKOUT / "config" / "examples" / "minimal").glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text())
    platform, settings = tmp_path / "platform.yaml", load_settings(home=tmp_path, config=tmp_path)
    shipped = platform.read_text()
    platform.write_text(f"{shipped}dbt_vars: {{lapsed_after_days: 90}}\n")
    assert load_config(settings).platform.dbt_vars == {"lapsed_after_days": 90}
    platform.write_text(f"{shipped}dbt_vars: {{lapsed_after_dayz: 90}}\n")
    line = shipped.count("\n") + 1
    with pytest.raises(
        ConfigError, match=rf"platform\.yaml, line {line}: dbt_vars: «lapsed_after_dayz» .*, lapsed_after_days, "
    ):
        load_config(settings)


def test_a_missing_config_folder_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(load_settings(home=tmp_path, config=tmp_path / "nowhere"))


@pytest.mark.parametrize("folder", ["config", "config/examples/minimal", "config/examples/online_retail"])
def test_the_shipped_configs_are_valid(folder, tmp_path):
    config = load_config(load_settings(home=tmp_path, config=CHECKOUT / folder))
    assert {"wk_web_demo", "wk_mobile_demo", "wk_server_demo"} <= set(config.write_keys())
    assert config.platform.api_tokens == ["api_demo"]


def _crm(path) -> RestSource:
    source = read_yaml(path, SourcesFile).sources["crm"]
    assert isinstance(source, RestSource)
    return source
