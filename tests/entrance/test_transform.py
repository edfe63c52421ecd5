"""`headwater transform`: cases in git say what a transformation does, and a difference is shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from headwater.configuration import load_config
from headwater.entrance.transform import transform
from headwater.land.events import land_events
from headwater.settings import CHECKOUT, Settings, load_settings
from tests.push.log_events import track, write_events


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A config with one transformation, which makes names small."""
    shutil.copytree(CHECKOUT / "config" / "examples" / "minimal", tmp_path / "config")
    folder = tmp_path / "config" / "transformations"
    (folder / "tests").mkdir(parents=True)
    (folder / "small.py").write_text(
        "def transform(event):\n    print('seen', event['messageId'])\n"
        "    event['event'] = event['event'].lower()\n    return event\n"
    )
    return load_settings(tmp_path / "home", tmp_path / "config", lake_url=str(tmp_path / "lake"))


def cases(settings: Settings, text: str, name: str = "small") -> None:
    (settings.config_dir / "transformations" / "tests" / f"{name}.yaml").write_text(text)


def called(settings: Settings, *words: str) -> Result:
    return CliRunner().invoke(transform, [*words, "--config", str(settings.config_dir)])


EVENT = "{type: track, messageId: m1, userId: u1, event: Order}"


def test_cases_that_are_as_expected_end_well(settings):
    cases(settings, f"- event: {EVENT}\n  expected: {EVENT.replace('Order', 'order')}\n")
    result = called(settings, "test")
    assert (result.exit_code, "1 cases, all as expected" in result.output) == (0, True)


def test_a_difference_is_shown_line_by_line_and_ends_with_1(settings):
    cases(settings, f"- {{description: capitals, event: {EVENT}, expected: {EVENT}}}\n")
    result = called(settings, "test", "small")
    assert result.exit_code == 1
    assert "differs  small 1: capitals" in result.output
    assert "-  event: Order\n" in result.output
    assert "+  event: order\n" in result.output


@pytest.mark.parametrize(
    ("case", "exit_code", "words"),
    [
        ("fails: AttributeError", 0, "ok"),
        ("fails: KeyError", 1, "small.py, line 3: AttributeError"),
        ("expected: null", 1, "small.py, line 3: AttributeError"),
        ("description: unsure", 1, "The case says neither"),
    ],
)
def test_a_case_may_expect_a_failure(settings, case, exit_code, words):
    cases(settings, f"- event: {{type: page, messageId: m1, userId: u1, event: [x]}}\n  {case}\n")
    result = called(settings, "test")
    assert (result.exit_code, words in result.output) == (exit_code, True)


def test_what_has_no_cases_is_named(settings):
    folder = settings.config_dir / "transformations"
    assert "no cases yet (there are: small)" in called(settings, "test").output
    (folder / "mine.py").write_text("def transform(event):\n    return event\n")
    cases(settings, f"- event: {EVENT}\n  expected: {EVENT.replace('Order', 'order')}\n")
    result = called(settings, "test")
    assert "\nwithout cases: mine; `headwater transform record NAME` drafts some.\n" in result.output
    assert result.exit_code == 0
    assert "without cases" not in called(settings, "test", "small").output


def test_times_need_no_quotation_marks(settings):
    event = EVENT.replace("}", ", timestamp: 2026-05-03T07:35:29Z}")
    cases(settings, f"- event: {event}\n  expected: {event.replace('Order', 'order')}\n")
    assert called(settings, "test").exit_code == 0


def test_a_chain_is_tested_under_its_joined_name(settings):
    drop = "def transform(event):\n    return None if event['event'] == 'order' else event\n"
    (settings.config_dir / "transformations" / "drop.py").write_text(drop)
    cases(settings, f"- event: {EVENT}\n  expected: null\n", "small+drop")
    assert called(settings, "test").exit_code == 0


def test_an_unknown_name_is_told_with_those_there_are(settings):
    cases(settings, f"- event: {EVENT}\n  expected: null\n")
    assert "there are: small" in str(called(settings, "test", "smal").exception)
    assert "there are: small" in str(called(settings, "record", "smal").exception)


def test_what_is_recorded_is_a_case_that_passes(settings):
    write_events(settings.log_dir, track(1, "Order"), track(2, "Cart"), source="web")
    land_events(settings, load_config(settings))
    where = ["--home", str(settings.home), "--config", str(settings.config_dir)]
    (settings.home).mkdir(exist_ok=True)
    runner = CliRunner(env={"HEADWATER_LAKE": settings.lake_url})
    drafted = runner.invoke(transform, ["record", "small", "--event", "Cart", *where])
    [case] = yaml.safe_load(drafted.output)
    assert (case["event"]["event"], case["expected"]["event"]) == ("Cart", "cart")
    cases(settings, drafted.output)
    assert called(settings, "test").exit_code == 0


def test_the_shipped_transformations_do_what_their_cases_say():
    result = CliRunner().invoke(transform, ["test", "--config", str(CHECKOUT / "config")])
    assert result.exit_code == 0, result.output
    assert "all as expected" in result.output
