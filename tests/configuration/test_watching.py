"""Following edits of the config: each usable one is used once, any other is said once and changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from headwater.configuration import Config
from headwater.configuration.watching import Follower, transformations_digest
from headwater.errors import ConfigError
from headwater.settings import CHECKOUT, Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A company whose config may be changed."""
    shutil.copytree(CHECKOUT / "config" / "examples" / "minimal", tmp_path / "config")
    return load_settings(tmp_path / "home", tmp_path / "config")


@pytest.fixture
def used() -> list[Config]:
    """What a follower was given to use, in order."""
    return []


def write(settings: Settings, old: str, new: str) -> None:
    path = settings.config_dir / "platform.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_an_edit_is_used_once(settings: Settings, used: list[Config]) -> None:
    follower = Follower(settings, used.append)
    follower.look()
    assert used == []
    write(settings, "company:", "session_gap_minutes: 7\ncompany:")
    follower.look()
    follower.look()
    assert [config.platform.session_gap_minutes for config in used] == [7]


def test_a_file_that_is_replaced_by_one_of_the_same_size_and_time_is_seen(
    settings: Settings, used: list[Config], tmp_path: Path
) -> None:
    path = settings.config_dir / "platform.yaml"
    follower = Follower(settings, used.append)
    other = tmp_path / "other.yaml"
    shutil.copy2(path, other)
    other.replace(path)
    follower.look()
    assert len(used) == 1


def test_a_broken_edit_is_said_once_and_a_repair_is_used(
    settings: Settings, used: list[Config], caplog: pytest.LogCaptureFixture
) -> None:
    follower = Follower(settings, used.append)
    write(settings, "currency:", "curency:")
    for _ in range(3):
        follower.look()
    assert used == []
    assert "platform.yaml" in (follower.fault or "")
    assert "curency" in (follower.fault or "")
    (said,) = caplog.messages
    assert "the old one stays" in said
    write(settings, "curency:", "currency:")
    follower.look()
    assert len(used) == 1
    assert follower.fault is None


def test_what_its_user_refuses_is_a_fault_like_one_of_the_files(settings: Settings) -> None:
    def use(_: Config) -> None:
        raise ConfigError("the plan cannot be compiled")

    follower = Follower(settings, use)
    write(settings, "company:", "session_gap_minutes: 7\ncompany:")
    follower.look()
    assert follower.fault == "the plan cannot be compiled"


def test_a_destinations_file_that_cannot_be_used_stops_no_other_edit(settings: Settings, used: list[Config]) -> None:
    follower = Follower(settings, used.append)
    folder = settings.config_dir / "destinations"
    folder.mkdir(exist_ok=True)
    (folder / "good.yaml").write_text("type: webhook\nstream: {}\n")
    (folder / "lacks.yaml").write_text("type: webhook\ntransformations: [nowhere]\n")
    (folder / "wrong.yaml").write_text("type: [")
    (settings.config_dir / "syncs").mkdir(exist_ok=True)
    (settings.config_dir / "syncs" / "people.yaml").write_text(
        "{model: a.b, key: k, destination: wrong, object: o, mapping: {id: k}}"
    )
    follower.look()
    assert follower.fault is None
    [config] = used
    assert "good" in config.destinations
    assert set(config.unusable) == {"lacks", "wrong"}
    assert "lacks.yaml, line 2: there is no transformations/nowhere.py" in config.unusable["lacks"]
    assert "wrong.yaml, line 1: not YAML" in config.unusable["wrong"]
    assert "people" not in config.syncs


def test_bytes_that_are_no_text_do_not_end_the_following(settings: Settings, used: list[Config]) -> None:
    path = settings.config_dir / "platform.yaml"
    good = path.read_bytes()
    follower = Follower(settings, used.append)
    path.write_bytes(b"\xff\xfe\x00company")
    follower.look()
    assert follower.fault
    path.write_bytes(good)
    follower.look()
    assert len(used) == 1


def test_a_file_that_transformations_read_or_import_is_followed_and_what_an_editor_leaves_is_not(
    settings: Settings, used: list[Config]
) -> None:
    folder = settings.config_dir / "transformations"
    (folder / "tests").mkdir(parents=True, exist_ok=True)
    digests = [transformations_digest(settings)]
    follower = Follower(settings, used.append)
    for name in ("names.csv", "_shared.py", ".names.csv.swp", "names.csv~", "tests/t.json"):
        (folder / name).write_text(f"# {name}", encoding="utf-8")
        follower.look()
        digests.append(transformations_digest(settings))
    assert len(set(digests)) == 3
    assert digests[2:] == digests[2:3] * 4
    assert len(used) == 3
