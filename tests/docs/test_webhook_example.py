"""The README's call of a tool that nobody has a translation for: the event that the transformation makes arrives."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headwater.entrance.processes import Processes
from headwater.entrance.services import service
from headwater.settings import CHECKOUT, Settings, load_settings
from sandbox.standins.mixpanel import Mixpanel
from tests.docs.conftest import BIN, free_ports
from tests.docs.test_documents import curl
from tests.docs.test_tutorial import sh, until
from tests.standin_server import StandinServer

pytestmark = pytest.mark.slow


@pytest.fixture
def analytics(tmp_path: Path) -> Iterator[StandinServer]:
    with StandinServer(Mixpanel, tmp_path / "tools") as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path, analytics: StandinServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The shipped company, running; only its product analytics listens."""
    shutil.copytree(CHECKOUT / "config", tmp_path / "config", ignore=shutil.ignore_patterns("examples"))
    for name in ("email_events", "old_reports", "order_service", "web_analytics"):
        (tmp_path / "config" / "destinations" / f"{name}.yaml").unlink()
    monkeypatch.setenv("SANDBOX_URL", analytics.url.removesuffix("/mixpanel"))
    (port,) = free_ports(1)
    made = replace(load_settings(home=tmp_path / "home", config=tmp_path / "config"), collector_port=port)
    with Processes(made) as processes:
        for name in ("collector", "stream"):
            processes.start(service(made, name))
        yield made


def test_a_forms_answer_arrives_as_the_event_that_the_transformation_makes_and_again_adds_nothing(
    settings: Settings, analytics: StandinServer
) -> None:
    call, receipt = sh("/v1/webhook/survey"), sh("receipt webhook_")
    for _ in range(2):
        assert curl(call, {8080: settings.collector_port}).json() == {"success": True, "accepted": 1, "quarantined": 0}

    def told() -> str:
        words = receipt.replace(".venv/bin/", f"{BIN}/")
        environment = settings.environment()
        return subprocess.run(["bash", "-c", words], env=environment, capture_output=True, text=True).stdout

    until(lambda: "delivered" in told() and "duplicate" in told(), "the delivery")
    assert "Webhook Received from survey" in told()
    assert "as «Survey Answered»" in told()
    assert "transformation survey_answered: changed" in told()
    assert analytics.counts() == {"Survey Answered": 1}
