"""SendGrid's Event Webhook as its documentation shows it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from headwater.collect.webhooks import Unreadable
from headwater.collect.webhooks.sendgrid import SendGrid
from tests.collect.webhooks.calls import BODY, EMAIL_ID, call, event, no_event, public, signed, translated


def change(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "email": "Ann@Example.com",
        "timestamp": 1777888800,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": kind,
        "category": ["welcome"],
        "sg_event_id": f"ZGVsaXZlcmVk-{kind}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        **more,
    }


def test_another_accounts_key_and_what_is_no_such_key_open_nothing() -> None:
    verify, headers = SendGrid().verify, signed("sendgrid", BODY)
    edwards = ed25519.Ed25519PrivateKey.generate().public_key()
    told = base64.b64encode(edwards.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    for key in (public(ec.generate_private_key(ec.SECP256R1())), told, "bm8ga2V5", "ä"):
        assert not verify(key, call(headers))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("processed", "Email Sent"),
        ("delivered", "Email Delivered"),
        ("deferred", "Email Deferred"),
        ("open", "Email Opened"),
        ("click", "Email Link Clicked"),
        ("bounce", "Email Bounced"),
        ("dropped", "Email Dropped"),
        ("spamreport", "Email Marked as Spam"),
        ("unsubscribe", "Unsubscribed"),
        ("group_unsubscribe", "Unsubscribed"),
    ],
)
def test_each_kind_of_change_of_an_email_is_an_event_that_a_repeat_does_not_double(kind: str, name: str) -> None:
    found = event("sendgrid", [change(kind)])
    assert (found["event"], found["messageId"]) == (name, f"sendgrid_ZGVsaXZlcmVk-{kind}")
    assert event("sendgrid", [change(kind)]) == found


def test_a_click_in_an_email_as_an_event_of_the_spec() -> None:
    sent_with = {"user_id": 17, "email_subject": "Trail stories", "singlesend_id": "27fdb7d4", "singlesend_name": "May"}
    clicked = change("click", url="https://shop.example.com/new", useragent="Mozilla/5.0", ip="192.0.2.1", **sent_with)
    assert event("sendgrid", [clicked]) == {
        "type": "track",
        "event": "Email Link Clicked",
        "messageId": "sendgrid_ZGVsaXZlcmVk-click",
        "userId": "17",
        "timestamp": "2026-05-04T10:00:00.000Z",
        "context": {"traits": {"email": "Ann@Example.com"}, "library": {"name": "webhook:sendgrid"}},
        "properties": {
            "campaign_id": "27fdb7d4",
            "campaign_name": "May",
            "email_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
            "email_subject": "Trail stories",
            "link_url": "https://shop.example.com/new",
        },
    }


@pytest.mark.parametrize(
    ("kind", "told", "reason"),
    [
        ("bounce", {"reason": "500 unknown recipient", "type": "bounce"}, "500 unknown recipient"),
        ("dropped", {"reason": "Bounced Address"}, "Bounced Address"),
        ("deferred", {"response": "400 try again later", "attempt": "5"}, "400 try again later"),
        ("delivered", {"response": "250 OK"}, None),
    ],
)
def test_what_did_not_arrive_says_why_and_what_did_says_nothing(
    kind: str, told: dict[str, str], reason: str | None
) -> None:
    assert event("sendgrid", [change(kind, **told)])["properties"].get("reason") == reason


def test_one_who_is_known_by_the_address_alone_and_who_leaves_one_list_only() -> None:
    found = event("sendgrid", [change("group_unsubscribe", asm_group_id=10)])
    assert "userId" not in found
    assert found["anonymousId"] == EMAIL_ID
    assert found["properties"]["list_id"] == "10"
    assert "list_id" not in event("sendgrid", [change("unsubscribe", asm_group_id=10)])["properties"]


def test_many_changes_of_a_call_and_bad_ones_among_them() -> None:
    first, second, third, last = translated("sendgrid", [change("open"), 5, {"event": "open"}, change("delivered")])
    assert isinstance(first, dict) and first["event"] == "Email Opened"
    assert isinstance(second, Unreadable) and second.payload == b"5"
    assert isinstance(third, Unreadable) and third.reason.startswith("not this tool's shape")
    assert isinstance(last, dict) and last["event"] == "Email Delivered"
    assert translated("sendgrid", []) == []


def test_a_change_that_is_no_event_is_told_with_what_it_was() -> None:
    item = {"event": "account_status_change", "type": "compliance_suspend", "sg_event_id": "1"}
    assert no_event("sendgrid", [item], item) == "no event for account_status_change"
