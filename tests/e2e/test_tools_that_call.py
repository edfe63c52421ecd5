"""The example company's tools call the collector: from the shipped config alone, each call becomes its event, and the
streaming data loop closes: an order → a mailing → its click → the product analytics."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import httpx
import pytest

from headwater.configuration import load_config
from headwater.entrance.processes import Processes
from headwater.entrance.services import wanted
from headwater.policy.pipeline import Pipeline
from headwater.settings import CHECKOUT, Settings, load_settings
from headwater.storage.log import LogReader, Record
from sandbox.company.simulate import simulate

pytestmark = pytest.mark.slow
BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("company")
    simulate(out, people=150, seed=7, as_of=date(2026, 6, 20))
    return out


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = load_settings(
        tmp_path / "home", CHECKOUT / "config", lake_url=str(tmp_path / "lake"),
        collector_port=free_port(), sandbox_port=free_port(),
    )  # fmt: skip
    monkeypatch.setenv("SANDBOX_URL", made.sandbox_url)
    return made


@contextmanager
def running(settings: Settings, *words: str, url: str = "") -> Iterator[None]:
    """A process of the platform or of the sandbox, once it answers."""
    process = subprocess.Popen(words, env=settings.environment(), cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    try:
        while url:
            assert process.poll() is None
            with suppress(httpx.TransportError):
                httpx.get(url)
                break
            time.sleep(0.05)
        yield
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
            process.wait(60)


@pytest.fixture
def collector(settings: Settings) -> Iterator[str]:
    with running(settings, str(BIN / "headwater"), "collect", url=f"{settings.collector_url}/version"):
        yield settings.collector_url


def records(settings: Settings) -> list[Record]:
    reader, found = LogReader(settings.log_dir, "test"), []
    while some := reader.read():
        found += some
    return found


def sandbox_hooks(settings: Settings, company: Path, *more: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "sandbox", "hooks", "--dir", str(company), "--to", settings.collector_url, *more]
    return subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def test_each_tools_calls_become_planned_events_and_sent_again_add_nothing(
    settings: Settings, company: Path, collector: str
) -> None:
    first = sandbox_hooks(settings, company)
    assert first.returncode == 0, first.stderr
    taken = records(settings)
    assert [r.envelope.reason for r in taken if r.envelope.route == "quarantine"] == []
    assert [r.envelope.violations for r in taken if r.envelope.violations] == []
    with Pipeline.of(settings, load_config(settings)) as pipeline:
        done = pipeline.run(taken)
    assert {one.status for one in done} == {"ok"}
    told = Counter((one.event.source, one.event.event) for one in done if one.event)
    assert set(told) == {
        ("email_activity", "Email Sent"), ("email_activity", "Email Delivered"), ("email_activity", "Email Opened"),
        ("email_activity", "Email Link Clicked"), ("payment_activity", "Invoice Paid"),
        ("ticket_activity", "Ticket Opened"), ("ticket_activity", "Ticket Rated"),
        ("sales_activity", "Sales Call Logged"), ("marketplace", "Order Completed"), ("survey", "Survey Answered"),
    }  # fmt: skip
    assert all(one.original for one in done if one.event and one.event.source == "survey")

    assert sandbox_hooks(settings, company).returncode == 0
    keys = [(r.envelope.source, r.message_id) for r in records(settings)]
    assert len(keys) == 2 * len(taken)
    assert len(set(keys)) == len(taken)


def test_a_call_signed_with_another_secret_is_refused_and_leaves_nothing(
    settings: Settings, company: Path, collector: str
) -> None:
    names = ("email_activity", "payment_activity", "ticket_activity", "sales_activity", "marketplace", "survey")
    wrong = [word for name in names for word in ("--secret", f"{name}=guessed")]
    result = sandbox_hooks(settings, company, "--limit", "1", *wrong)
    assert result.returncode == 1
    assert "bad_signature" in result.stderr
    assert records(settings) == []
    metrics = httpx.get(f"{collector}/metrics").text
    assert any("401" in line and "webhook" in line for line in metrics.splitlines()), metrics


def test_a_forms_fields_and_a_querys_are_calls_too(settings: Settings, collector: str) -> None:
    url = f"{collector}/v1/webhook/survey"
    token = {"token": "whsec_survey_demo"}
    assert httpx.post(url, params=token, data={"email": "ann@example.com", "n": "1"}).json()["accepted"] == 1
    assert httpx.get(url, params=token | {"user_id": "usr_1"}).json()["accepted"] == 1
    form, query = (json.loads(record.payload) for record in records(settings))
    assert form["properties"] == {"email": "ann@example.com", "n": "1"}
    assert (query["userId"], query["properties"]) == ("usr_1", {"user_id": "usr_1"})


def test_a_click_in_the_mailing_that_an_order_causes_reaches_the_product_analytics(
    settings: Settings, company: Path, collector: str
) -> None:
    sandbox = [sys.executable, "-m", "sandbox", "serve", "--dir", str(company), "--port", str(settings.sandbox_port)]
    order = {"order_id": "EO-1", "total": 10.0, "products": [{"product_id": "p_001", "price": 10.0, "quantity": 1}]}
    event = {"type": "track", "event": "Order Completed", "anonymousId": "a-1", "properties": order}
    batch = [
        {**event, "messageId": f"loop-{number}", "context": {"traits": {"email": "ann@example.com"}}}
        for number in range(6)  # six in ten mailings are clicked; which ones depends on the id alone
    ]
    with (
        running(settings, *sandbox, "--hooks", "--collector", collector, url=f"{settings.sandbox_url}/health"),
        running(settings, str(BIN / "headwater"), "stream"),
    ):
        answer = httpx.post(f"{collector}/v1/batch", json={"batch": batch}, auth=("wk_web_demo", ""))
        assert answer.status_code == 200

        def clicks() -> list[dict[str, object]]:
            kept = httpx.get(f"{settings.sandbox_url}/mixpanel/_kept").json()
            return [row for row in kept if row["event"] == "Email Link Clicked"]

        wait_until(lambda: len(clicks()) > 0)
        (first, *_) = clicks()
    assert "https://shop.example.com/orders" in json.dumps(first)
    sources = {json.loads(r.payload)["event"]: r.envelope.source for r in records(settings)}
    assert sources["Email Link Clicked"] == "email_activity"
    assert sources["Order Completed"] == "web"


def test_the_loop_closes_with_the_secrets_of_a_companys_own_config_and_nothing_else_told(
    settings: Settings, company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    shutil.copytree(CHECKOUT / "config", config, ignore=shutil.ignore_patterns("examples"))
    sources = config / "sources.yaml"
    text = sources.read_text()
    for name, written in (("EMAIL", '"rotated = secret"'), ("SURVEY", '"${MY_SURVEY_SECRET}"')):
        text, count = re.subn(rf'"\$\{{{name}_WEBHOOK_SECRET:-\w+\}}"', lambda _, new=written: new, text)
        assert count == 1
    sources.write_text(text)
    monkeypatch.setenv("MY_SURVEY_SECRET", "of the environment")
    own = replace(settings, config_dir=config)
    shutil.copytree(company, own.sandbox_dir)
    started = ("sandbox", "collector", "stream")
    with Processes(own) as processes:
        for service in wanted(own, load_config(own), with_example=True):
            if service.name in started:
                processes.start(service)
        order = {"order_id": "EO-1", "total": 10.0, "products": [{"product_id": "p_001", "price": 10.0, "quantity": 1}]}
        event = {"type": "track", "event": "Order Completed", "anonymousId": "a-1", "messageId": "own-1"}
        event |= {"properties": order, "context": {"traits": {"email": "ann@example.com"}}}
        assert httpx.post(f"{own.collector_url}/v1/track", json=event, auth=("wk_web_demo", "")).status_code == 200

        def taken() -> set[str]:
            return {r.envelope.source for r in records(own) if r.envelope.route != "quarantine"}

        wait_until(lambda: "email_activity" in taken())
        # the same by hand: every tool's calls are taken
        told = next(s for s in wanted(own, load_config(own), with_example=True) if s.name == "sandbox").environment
        monkeypatch.setenv("SANDBOX_HOOK_SECRETS", told["SANDBOX_HOOK_SECRETS"])
        result = sandbox_hooks(own, company)
        assert result.returncode == 0, result.stderr
        assert {"email_activity", "survey", "marketplace"} <= taken()
        monkeypatch.delenv("SANDBOX_HOOK_SECRETS")
        assert "bad_signature" in sandbox_hooks(own, company, "--limit", "1").stderr
