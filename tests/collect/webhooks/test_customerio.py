"""Customer.io's calls as its documentation shows them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.collect.webhooks.calls import EMAIL_ID, event, no_event


def cio(metric: str, **data: Any) -> dict[str, Any]:
    return {
        "data": {
            "customer_id": "0200102",
            "delivery_id": "RPILAgUBcRhIBqSfeiIwdIYJKxTY",
            "identifiers": {"cio_id": "d9c106000001", "email": "Ann@Example.com ", "id": "usr_1"},
            "recipient": "ann@example.com",
            "subject": "Trail stories",
            "campaign_id": 23,
            **data,
        },
        "event_id": f"01E4C4{metric}",
        "object_type": "email",
        "metric": metric,
        "timestamp": 1777888800,
    }


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("sent", "Email Sent"),
        ("delivered", "Email Delivered"),
        ("opened", "Email Opened"),
        ("clicked", "Email Link Clicked"),
        ("bounced", "Email Bounced"),
        ("spammed", "Email Marked as Spam"),
        ("unsubscribed", "Unsubscribed"),
    ],
)
def test_each_kind_of_call_about_an_email_is_an_event(metric: str, name: str) -> None:
    found = event("customerio", cio(metric))
    assert (found["event"], found["messageId"]) == (name, f"customerio_01E4C4{metric}")


def test_a_click_in_an_email_as_an_event_of_the_spec() -> None:
    assert event("customerio", cio("clicked", href="https://shop.example.com/new", link_id=1)) == {
        "type": "track",
        "event": "Email Link Clicked",
        "messageId": "customerio_01E4C4clicked",
        "userId": "usr_1",
        "timestamp": "2026-05-04T10:00:00.000Z",
        "context": {"traits": {"email": "Ann@Example.com"}, "library": {"name": "webhook:customerio"}},
        "properties": {
            "campaign_id": "23",
            "email_id": "RPILAgUBcRhIBqSfeiIwdIYJKxTY",
            "email_subject": "Trail stories",
            "link_url": "https://shop.example.com/new",
        },
    }


def test_a_newsletter_counts_as_a_campaign_and_an_address_alone_as_a_person() -> None:
    found = event("customerio", cio("opened", identifiers=None, campaign_id=None, newsletter_id=7))
    assert found["properties"]["campaign_id"] == "7"
    assert "userId" not in found
    assert (found["anonymousId"], found["context"]["traits"]) == (EMAIL_ID, {"email": "ann@example.com"})
    shouted = event("customerio", cio("opened", identifiers=None, recipient=" ANN@example.com"))
    assert shouted["anonymousId"] == EMAIL_ID


@pytest.mark.parametrize("call", [cio("drafted"), cio("clicked") | {"object_type": "push"}])
def test_a_call_that_is_no_event_is_told_with_what_it_was(call: dict[str, Any]) -> None:
    assert no_event("customerio", call) == f"no event for {call['object_type']} {call['metric']}"
