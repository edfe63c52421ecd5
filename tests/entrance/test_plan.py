"""`headwater plan …` as a person calls it: words, exit codes, files; and a draft of what was recorded passes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from headwater.cli import main
from headwater.entrance.plan import plan
from headwater.settings import CHECKOUT, load_settings
from headwater.storage.warehouse import connect, ensure_schemas, publish


def call(*words: str) -> Result:
    return CliRunner().invoke(plan, list(words))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config with a plan of one event."""
    folder = tmp_path / "config"
    shutil.copytree(CHECKOUT / "config" / "examples" / "minimal", folder)
    (folder / "tracking_plan").mkdir()
    (folder / "tracking_plan" / "order_completed.yaml").write_text(
        "event: Order Completed\nowner: a@b.co\ndescription: Paid.\nexamples: [{}]\n"
    )
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose read copy holds two orders, forty visits of a page and one person."""
    settings = load_settings(home=tmp_path / "home")
    events = [("track", "Order Completed", {"properties": {"total": 5}})] * 2
    events += [("page", None, {"name": "Home", "properties": {"path": "/"}})] * 40
    events += [
        ("track", "Video Played", {"properties": {"seconds": n, "email": "ann@real.example.org"}}) for n in (1, 2)
    ]
    with connect(settings, purpose="test") as con:
        ensure_schemas(con)
        for number, (kind, event, more) in enumerate(events):
            con.execute(
                "insert into raw.events by name select ? as message_id, ? as type, ? as event,"
                " timestamp '2026-01-01' as timestamp, ? as payload",
                [str(number), kind, event, json.dumps(more)],
            )
    publish(settings)
    return settings.home


def test_check_says_that_a_plan_is_sound(config):
    result = call("check", "--config", str(config))
    assert (result.exit_code, result.output) == (0, "1 planned event, no fault\n")


def test_check_names_file_and_line_and_ends_with_1(config):
    file = config / "tracking_plan" / "order_completed.yaml"
    file.write_text(file.read_text().replace("a@b.co", "''"))
    result = call("check", "--config", str(config))
    assert result.exit_code == 1
    assert f"{file}:2: owner is missing" in result.output
    assert "1 planned event, 1 fault" in result.output


def test_check_of_a_config_without_a_plan_says_how_to_begin():
    result = call("check", "--config", str(CHECKOUT / "config" / "examples" / "minimal"))
    assert result.exit_code == 0
    assert "headwater plan infer" in result.output


def test_coverage_shows_what_is_planned_and_what_arrives(home, config):
    result = call("coverage", "--home", str(home), "--config", str(config))
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert "Planned and seen: 1" in lines
    assert "track Order Completed 2 0 0 0 2026-01-01" in lines
    assert "Seen and not planned: 1" in lines
    assert "track Video Played 2 0 0 0 2026-01-01" in lines
    only = call("coverage", "--home", str(home), "--config", str(config), "--only", "seen_unplanned")
    assert "Order Completed" not in only.output


def test_infer_drafts_what_nobody_planned_and_the_drafts_pass_the_check(home, config):
    out = config / "tracking_plan"
    result = call("infer", "--home", str(home), "--config", str(config), "--out", str(out), "--owner", "team:data")
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {"order_completed.yaml", "page_home.yaml", "video_played.yaml"}
    assert "real.example.org" not in (out / "video_played.yaml").read_text()
    assert call("check", "--config", str(config)).output == "3 planned events, no fault\n"
    again = call("infer", "--home", str(home), "--config", str(config), "--out", str(out))
    assert again.output == "Every event that was recorded is planned.\n"


def test_infer_of_one_event_prints_it_and_writes_over_nothing(home, config):
    words = ["infer", "--home", str(home), "--config", str(config), "--event", "Order Completed"]
    assert "# tracking_plan/order_completed.yaml\nevent: Order Completed\n" in call(*words).output
    before = (config / "tracking_plan" / "order_completed.yaml").read_text()
    assert "is there already" in call(*words, "--out", str(config / "tracking_plan")).output
    assert (config / "tracking_plan" / "order_completed.yaml").read_text() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["infer", "--event", "Nope"], "No event «Nope» was recorded. There are: Home, Order Completed, Video Played."),
        (["coverage", "--home", "{empty}"], "holds no recorded events yet"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(home, tmp_path, monkeypatch, capsys, words, said):
    words = [word.format(empty=tmp_path / "empty") for word in words]
    monkeypatch.setattr(
        "sys.argv", ["headwater", "plan", *words, *([] if "--home" in words else ["--home", str(home)])]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
