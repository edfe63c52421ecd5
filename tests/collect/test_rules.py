"""What the config says, and that a changed file is in use without a restart."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import httpx
import pytest

from headwater.collect.limits import Bucket
from headwater.collect.rules import Rules
from headwater.configuration import load_config
from headwater.settings import CHECKOUT, Settings, load_settings
from tests.collect.conftest import CollectorProcess, free_port

PAGE = {"batch": [{"type": "page", "userId": "u"}]}
ORDER = {"batch": [{"type": "track", "event": "Order Completed", "userId": "u", "properties": {"total": "12"}}]}
PLAN = """
event: Order Completed
on_violation: {wrong_type: quarantine}
schema: {type: object, properties: {total: {type: number}}}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A company whose config may be changed."""
    shutil.copytree(CHECKOUT / "config" / "examples" / "minimal", tmp_path / "config")
    return load_settings(tmp_path / "home", tmp_path / "config", collector_port=free_port())


def change(settings: Settings, name: str, old: str, new: str) -> None:
    path = settings.config_dir / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_bucket_lets_a_burst_in_and_then_the_rate() -> None:
    bucket = Bucket(rate=10, burst=20, now=0.0)
    assert bucket.wait(0.0) == 0
    bucket.take(20, 0.0)
    assert bucket.wait(0.0) == 1
    assert bucket.wait(1.0) == 0


def test_a_batch_larger_than_the_burst_passes_and_is_paid_for_later() -> None:
    bucket = Bucket(rate=10, burst=0, now=0.0)
    bucket.take(100, 0.0)
    assert bucket.wait(0.0) == 10
    assert bucket.wait(5.0) == 5
    assert bucket.wait(9.5) == 0


def test_over_a_long_time_no_more_than_the_rate_passes() -> None:
    bucket = Bucket(rate=50, burst=100, now=0.0)
    passed = 0
    for tick in range(10_000):
        if bucket.wait(tick / 100) == 0:
            bucket.take(7, tick / 100)
            passed += 7
    assert 50 * 100 <= passed <= 50 * 100 + 100 + 7


def test_a_source_may_have_limits_of_its_own_and_keeps_the_others(settings: Settings) -> None:
    change(settings, "platform.yaml", "stacks:", "collector: {limits: {event_depth: 50, event_bytes: 10}}\nstacks:")
    change(settings, "sources.yaml", "    kind: events\n", "    kind: events\n    limits: {event_bytes: 77}\n")
    config = load_config(settings)
    name = next(iter(config.sources))
    rules = Rules.from_config(config)
    assert (rules.limits_of(name).event_bytes, rules.limits_of(name).event_depth) == (77, 50)
    assert rules.limits_of(None).event_bytes == 10


def test_a_rate_that_did_not_change_is_not_forgiven_by_a_reload(settings: Settings) -> None:
    change(settings, "sources.yaml", "    kind: events\n", "    kind: events\n    limits: {events_per_second: 5}\n")
    config = load_config(settings)
    before = Rules.from_config(config)
    (bucket,) = before.buckets.values()
    assert list(Rules.from_config(config, before).buckets.values()) == [bucket]


@pytest.mark.slow
def test_a_running_collector_follows_its_config(settings: Settings) -> None:
    collector = CollectorProcess(settings, load_config(settings)).start()
    try:
        assert collector.post("/v1/batch", PAGE).status_code == 200
        change(settings, "sources.yaml", "wk_web_demo", "wk_web_new")
        until(lambda: collector.post("/v1/batch", PAGE).status_code == 401)
        assert collector.post("/v1/batch", PAGE, auth=("wk_web_new", "")).status_code == 200

        (settings.config_dir / "tracking_plan").mkdir(exist_ok=True)
        (settings.config_dir / "tracking_plan" / "order.yaml").write_text(PLAN)
        until(lambda: collector.post("/v1/batch", ORDER, auth=("wk_web_new", "")).json()["quarantined"] == 1)

        (settings.config_dir / "tracking_plan" / "order.yaml").write_text("schema: [")
        until(lambda: "order.yaml" in httpx.get(f"{collector.url}/health").json().get("config", ""))
        assert collector.post("/v1/batch", ORDER, auth=("wk_web_new", "")).json()["quarantined"] == 1

        (settings.config_dir / "tracking_plan" / "order.yaml").unlink()
        limits = "    kind: events\n    limits: {events_per_second: 1, burst_events: 3}\n"
        change(settings, "sources.yaml", "    kind: events\n", limits)
        until(lambda: collector.post("/v1/batch", PAGE, auth=("wk_web_new", "")).status_code == 429)
        refused = collector.post("/v1/batch", PAGE, auth=("wk_web_new", ""))
        assert refused.json()["code"] == "rate_limited"
        assert int(refused.headers["retry-after"]) >= 1
        other = collector.post("/v1/batch", PAGE, auth=("wk_server_demo", ""))
        assert other.status_code == 200
    finally:
        collector.stop(9)


def until(holds: object, seconds: float = 120) -> None:
    """Wait for what a poll of the files brings about."""
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.1)
