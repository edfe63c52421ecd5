"""Every shipped example of a webhook source, in a running collector: what a tool signs is taken, nothing else is."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import yaml

from headwater.collect.rules import Rules
from headwater.collect.webhooks.registry import TYPES
from headwater.configuration import Config, WebhookSource, load_config
from headwater.errors import ConfigError
from headwater.settings import CHECKOUT, Settings, load_settings
from tests.collect.conftest import CollectorProcess, free_port
from tests.collect.webhooks.calls import secret, signed
from tests.collect.webhooks.test_every_tool import TIMELESS

EXAMPLES = CHECKOUT / "config" / "examples" / "sources"
PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "events.example.com"}


def company(settings: Settings, sources: dict[str, Any]) -> Config:
    """The minimal company with these sources too."""
    shutil.copytree(CHECKOUT / "config" / "examples" / "minimal", settings.config_dir)
    shutil.copytree(CHECKOUT / "config" / "transformations", settings.config_dir / "transformations")
    path = settings.config_dir / "sources.yaml"
    written = yaml.safe_load(path.read_text())
    written["sources"] |= sources
    path.write_text(yaml.safe_dump(written))
    return load_config(settings)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A company that has every example; each source is called as its file is."""
    folder = tmp_path_factory.mktemp("webhooks")
    settings = load_settings(folder / "home", folder / "config", collector_port=free_port())
    sources = {}
    for path in EXAMPLES.glob("*.yaml"):
        ((_, source),) = yaml.safe_load(path.read_text())["sources"].items()
        if source["kind"] == "webhook":
            assert re.fullmatch(r"\$\{[A-Z_]+\}", source["secret"])
            source["secret"] = secret(source["type"])
        sources[path.stem] = source
    made = CollectorProcess(settings, company(settings, sources)).start()
    yield made
    made.stop(signal.SIGKILL)


def post(
    collector: CollectorProcess, tool: str, body: bytes, headers: dict[str, str], query: str = ""
) -> httpx.Response:
    return httpx.post(f"{collector.url}/v1/webhook/{tool}{query}", content=body, headers=headers, trust_env=False)


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def test_every_tool_has_an_example_and_every_example_is_of_its_tool(collector: CollectorProcess) -> None:
    webhooks = {name: one.type for name, one in collector.config.sources.items() if isinstance(one, WebhookSource)}
    assert webhooks == {name: name for name in TYPES}
    assert "kafka" in collector.config.sources


@pytest.mark.parametrize("tool", sorted(TYPES))
def test_a_signed_call_is_taken_and_a_wrong_a_missing_or_an_old_signature_is_not(
    collector: CollectorProcess, tool: str
) -> None:
    body = json.dumps({"of": tool, "at": time.time_ns()}).encode()
    url = f"{collector.url}/v1/webhook/{tool}"
    headers = signed(tool, body, now(), url)
    before = len(collector.records())
    refused = [({}, body), (dict.fromkeys(headers, "guessed"), body)]
    if tool != "generic":
        refused.append((headers, body + b" "))
    if tool not in TIMELESS:
        refused.append((signed(tool, body, now() - timedelta(hours=1), url), body))
    for wrong, content in refused:
        answer = post(collector, tool, content, wrong)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert len(collector.records()) == before
    assert post(collector, tool, body, headers).status_code == 200
    assert len(collector.records()) == before + 1


SENDGRID = [
    {
        "event": kind,
        "sg_event_id": f"sg-{kind}",
        "sg_message_id": "m1",
        "email": "ann@example.com",
        "timestamp": 1777888800,
    }
    for kind in ("processed", "delivered", "account_status_change")
]
HUBSPOT = [
    {"subscriptionType": kind, "eventId": number, "subscriptionId": 1, "objectId": 7, "occurredAt": 1777888800123}
    for number, kind in enumerate(("contact.creation", "deal.creation", "company.creation"))
]


@pytest.mark.parametrize(("tool", "changes"), [("sendgrid", SENDGRID), ("hubspot", HUBSPOT)])
def test_a_call_of_many_changes_sent_again_is_known(
    collector: CollectorProcess, tool: str, changes: list[dict[str, Any]]
) -> None:
    body = json.dumps(changes).encode()
    url = f"{collector.url}/v1/webhook/{tool}"
    keys = []
    for _ in range(2):
        before = len(collector.records())
        answer = post(collector, tool, body, signed(tool, body, now(), url)).json()
        assert (answer["accepted"], answer["quarantined"]) == (2, 1)
        assert list(answer["reasons"]) == [f"no event for {next(iter(changes[-1].values()))}"]
        keys.append([(r.envelope.source, r.message_id, r.envelope.route) for r in collector.records()[before:]])
    assert keys[0] == keys[1]
    assert {source for source, _, _ in keys[0]} == {tool}


def test_an_address_that_a_proxy_changed_is_checked_as_the_tool_signed_it(collector: CollectorProcess) -> None:
    body = b"[]"
    outside = "https://events.example.com/v1/webhook/hubspot?to=a%40b.co"
    headers = signed("hubspot", body, now(), outside.replace("%40", "@"))
    assert post(collector, "hubspot", body, headers | PROXY, "?to=a%40b.co").status_code == 200
    assert post(collector, "hubspot", body, headers, "?to=a%40b.co").status_code == 401


def test_an_address_in_the_config_counts_where_the_proxy_says_nothing(tmp_path: Any) -> None:
    settings = load_settings(tmp_path / "home", tmp_path / "config", collector_port=free_port())
    outside = "https://events.example.com/hooks/hubspot"
    source = {"kind": "webhook", "type": "hubspot", "secret": secret("hubspot"), "url": outside}
    collector = CollectorProcess(settings, company(settings, {"crm": source})).start()
    try:
        assert post(collector, "crm", b"[]", signed("hubspot", b"[]", now(), outside)).status_code == 200
        inside = f"{collector.url}/v1/webhook/crm"
        assert post(collector, "crm", b"[]", signed("hubspot", b"[]", now(), inside)).status_code == 401
    finally:
        collector.stop(signal.SIGKILL)


def test_a_tool_that_nobody_knows_is_an_error_of_the_config_that_names_those_that_are(tmp_path: Any) -> None:
    settings = load_settings(tmp_path / "home", tmp_path / "config")
    config = company(settings, {"mails": {"kind": "webhook", "type": "sendgird"}})
    with pytest.raises(ConfigError, match=r"source mails: .*«sendgird».* hubspot, sendgrid, "):
        Rules.from_config(config)
