"""The example company's plan and what its simulator really sends: they stay in step."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.configuration import PlannedEvent, load_config, read_folder
from headwater.policy.plan import Checker
from headwater.policy.plan_check import check_plan
from headwater.policy.plan_infer import draft, file_name, to_yaml
from headwater.settings import CHECKOUT, load_settings

pytestmark = pytest.mark.slow
Sent = list[tuple[str, str, bytes]]
# by the calls of SaaS tools (`tests/e2e/test_tools_that_call.py`), not by the company's own code
TOLD_BY_TOOLS = {
    *("email_bounced", "email_delivered", "email_sent", "invoice_paid", "invoice_payment_failed"),
    *("opportunity_stage_changed", "sales_call_logged", "survey_answered", "ticket_opened", "ticket_rated"),
    *("ticket_status_changed", "unsubscribed", "webhook_received"),
}


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    """Every event of a company of 800 people: type, name and the bytes."""
    out = tmp_path_factory.mktemp("company")
    subprocess.run(
        [sys.executable, "-m", "sandbox", "simulate", "--out", str(out), "--people", "800", "--as-of", "2026-11-21"],
        cwd=CHECKOUT, check=True, capture_output=True,
    )  # fmt: skip
    return [(*_named(json.loads(line)), line) for line in _lines(out) if line.strip()]


def _lines(out: Path) -> Iterator[bytes]:
    for file in sorted(out.rglob("events/*.ndjson.gz")):
        yield from gzip.decompress(file.read_bytes()).splitlines()
    for file in out.rglob("live.ndjson"):
        yield from file.read_bytes().splitlines()


def _named(event: dict[str, Any]) -> tuple[str, str]:
    kind = event["type"]
    return kind, (event["event"] if kind == "track" else event.get("name", "") if kind in ("page", "screen") else "")


def test_all_that_is_sent_is_planned_and_little_of_it_violates(sent: Sent) -> None:
    config = load_config(load_settings(None, str(CHECKOUT / "config")))
    checker = Checker(config)
    seen: set[str | None] = set()
    found: Counter[tuple[str, str, str]] = Counter()
    for kind, name, line in sent:
        if checker.checks(kind):
            seen.add(checker.file_of(kind, name))
        verdict = checker.check(kind, name if kind == "track" else None, line)
        if verdict:
            found[verdict.action, name or kind, verdict.reason] += 1
    assert set(config.tracking_plan) - seen == TOLD_BY_TOOLS
    quarantined = found.pop(("quarantine", "Order Completed", "plan: missing_required properties.total"))
    dropped = found.pop(("drop", "Product Viewed", "plan: rule properties.debug"))
    misspelt = found.pop(("forward", "identify", "plan: rule traits.email"))
    assert not found
    events = Counter(name for _, name, _ in sent)
    assert 0 < quarantined < 0.03 * events["Order Completed"]
    assert 0 < dropped < 0.005 * events["Product Viewed"]
    assert 0 < misspelt < 0.03 * events[""]


def test_drafts_of_what_is_sent_pass_the_check_and_every_event_fits_its_draft(sent: Sent, tmp_path: Path) -> None:
    recorded: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for kind, name, line in sent:
        if kind != "alias":
            part = "traits" if kind in ("identify", "group") else "properties"
            recorded[kind, name].append(json.loads(line).get(part))
    plan = tmp_path / "tracking_plan"
    plan.mkdir()
    for (kind, name), parts in recorded.items():
        (plan / f"{file_name(kind, name)}.yaml").write_text(to_yaml(draft(kind, name, parts)))
    (plan / "_plan.yaml").write_text((CHECKOUT / "config" / "tracking_plan" / "_plan.yaml").read_text())
    checked = check_plan(plan)
    assert checked.events == len(recorded)
    assert checked.faults == []
    config = load_config(load_settings(None, str(CHECKOUT / "config" / "examples" / "minimal")))
    config.tracking_plan = read_folder(plan, PlannedEvent)
    checker = Checker(config)
    assert not [line for kind, name, line in sent if checker.check(kind, name if kind == "track" else None, line)]
