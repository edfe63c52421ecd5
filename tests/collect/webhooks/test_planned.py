"""What the tools tell fits the shipped plan, whichever tool a company has for e-mail or sales."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwater.configuration import load_config
from headwater.policy.plan import Checker
from headwater.settings import CHECKOUT, load_settings
from tests.collect.webhooks import test_hubspot, test_sendgrid
from tests.collect.webhooks.calls import event

MAIL = {"singlesend_id": "27fdb7d4", "singlesend_name": "May", "email_subject": "Trail stories", "asm_group_id": 10}


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    home: Path = tmp_path_factory.mktemp("plan")
    return Checker(load_config(load_settings(home, CHECKOUT / "config")))


@pytest.mark.parametrize(
    ("tool", "item"),
    [
        ("sendgrid", test_sendgrid.change("processed", **MAIL)),
        ("sendgrid", test_sendgrid.change("delivered", response="250 OK", **MAIL)),
        ("sendgrid", test_sendgrid.change("open", **MAIL)),
        ("sendgrid", test_sendgrid.change("click", url="https://shop.example.com/new", **MAIL)),
        ("sendgrid", test_sendgrid.change("bounce", reason="500 unknown recipient", **MAIL)),
        ("sendgrid", test_sendgrid.change("unsubscribe", **MAIL)),
        ("sendgrid", test_sendgrid.change("group_unsubscribe", **MAIL)),
        ("hubspot", test_hubspot.association(("0-48", 9), ("0-1", 7))),
        ("hubspot", test_hubspot.change("deal.propertyChange", propertyName="dealstage", propertyValue="closedwon")),
    ],
)
def test_an_event_that_the_shipped_plan_knows_is_as_planned(checker: Checker, tool: str, item: dict[str, Any]) -> None:
    found = event(tool, [item])
    assert checker.file_of("track", found["event"]) is not None
    assert checker.check("track", found["event"], json.dumps(found).encode()) is None
