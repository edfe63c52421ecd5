"""The config in use follows edits that can be used, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.configuration.watching import Watch
from headwater.errors import ConfigError
from headwater.serve.current import CurrentConfig
from tests.serve.conftest import make_settings

BROKEN = "company: T\ncurrency: EUR\nstacks: [starter]\napi_tokens: [[\n"
GOOD = "company: Other\ncurrency: EUR\nstacks: [starter]\napi_tokens: [changed]\n"


def test_without_an_edit_the_config_stays_the_same_object(tmp_path: Path) -> None:
    current = CurrentConfig(make_settings(tmp_path))
    before = current.config
    current.look()
    assert current.config is before


def test_an_edit_is_used_and_a_broken_one_is_not(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    current = CurrentConfig(settings)
    platform = settings.config_dir / "platform.yaml"
    platform.write_text(GOOD)
    current.look()
    assert current.config.platform.api_tokens == ["changed"]
    platform.write_text(BROKEN)
    current.look()
    assert current.config.platform.api_tokens == ["changed"]


def test_an_edit_during_the_first_reading_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make_settings(tmp_path)
    begin = Watch.__init__

    def edited_after(watch: Watch, *given) -> None:
        begin(watch, *given)
        (settings.config_dir / "platform.yaml").write_text(GOOD)

    monkeypatch.setattr(Watch, "__init__", edited_after)
    current = CurrentConfig(settings)
    current.look()
    assert current.config.platform.company == "Other"


def test_a_config_that_is_wrong_from_the_start_is_an_error(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    (settings.config_dir / "platform.yaml").write_text(BROKEN)
    with pytest.raises(ConfigError):
        CurrentConfig(settings)
