"""HubSpot's webhooks as its documentation shows them."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.collect.webhooks import Call, Unreadable
from headwater.collect.webhooks.hubspot import HubSpot
from tests.collect.webhooks.calls import BODY, NOW, SECRET, URL, call, event, no_event, signed, translated


def change(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "objectId": 1246965,
        "changeSource": "CRM_UI",
        "eventId": 3816279340,
        "subscriptionId": 25,
        "portalId": 33,
        "appId": 1160452,
        "occurredAt": 1777888800123,
        "subscriptionType": kind,
        "attemptNumber": 0,
        **more,
    }


def association(start: tuple[str, int], end: tuple[str, int], **more: Any) -> dict[str, Any]:
    told = change(
        "object.associationChange", fromObjectTypeId=start[0], fromObjectId=start[1],
        toObjectTypeId=end[0], toObjectId=end[1], associationRemoved=False, isPrimaryAssociation=False, **more,
    )  # fmt: skip
    del told["objectId"]
    return told


def test_the_signature_is_of_this_method_and_this_address() -> None:
    verify, headers = HubSpot().verify, signed("hubspot", BODY)
    assert not verify(SECRET, Call(headers, BODY, NOW, method="GET", url=URL))
    assert not verify(SECRET, call(headers, url=URL.replace("https", "http")))
    assert not verify(SECRET, call(headers, url=f"{URL}?a=1"))


def test_hubspot_signs_the_address_with_these_characters_decoded() -> None:
    headers = signed("hubspot", BODY, url="https://a.example.com/x?to=a@b.co:1&n=%C3%A4%20")
    assert HubSpot().verify(SECRET, call(headers, url="https://a.example.com/x?to=a%40b.co%3a1&n=%C3%A4%20"))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("contact.creation", "Contact Created"),
        ("contact.deletion", "Contact Deleted"),
        ("contact.privacyDeletion", "Contact Deleted"),
        ("deal.creation", "Opportunity Created"),
        ("deal.deletion", "Opportunity Deleted"),
    ],
)
def test_what_becomes_of_contacts_and_deals_is_an_event(kind: str, name: str) -> None:
    found = event("hubspot", [change(kind)])
    assert (found["event"], found["messageId"]) == (name, "hubspot_3816279340_25_1246965_1777888800123")
    thing, _, what = kind.partition(".")
    assert found["anonymousId"] == f"hubspot_{thing}_1246965"
    if what != "privacyDeletion":
        newer = change(f"object.{what}", objectTypeId={"contact": "0-1", "deal": "0-3"}[thing])
        assert event("hubspot", [newer]) == found


def test_a_repeat_of_a_call_is_known_and_another_change_with_its_event_id_is_none() -> None:
    first = event("hubspot", [change("contact.creation")])
    assert event("hubspot", [change("contact.creation", attemptNumber=3)]) == first
    for other in ({"objectId": 7}, {"occurredAt": 1777888800124}, {"subscriptionId": 26}):
        assert event("hubspot", [change("contact.creation", **other)])["messageId"] != first["messageId"]


def test_a_changed_property_of_a_contact_as_an_event_of_the_spec() -> None:
    changed = change("contact.propertyChange", propertyName="lifecyclestage", propertyValue="customer")
    assert event("hubspot", [changed]) == {
        "type": "track",
        "event": "Contact Updated",
        "messageId": "hubspot_3816279340_25_1246965_1777888800123",
        "anonymousId": "hubspot_contact_1246965",
        "timestamp": "2026-05-04T10:00:00.123Z",
        "context": {"library": {"name": "webhook:hubspot"}},
        "properties": {"crm_id": "1246965", "property": "lifecyclestage", "value": "customer"},
    }


def test_a_changed_address_ties_the_contact_to_the_customer() -> None:
    changed = change("contact.propertyChange", propertyName="email", propertyValue="ann@example.com")
    found = event("hubspot", [changed])
    assert found["anonymousId"] == "hubspot_contact_1246965"
    assert found["context"]["traits"] == {"email": "ann@example.com"}
    emptied = event("hubspot", [change("contact.propertyChange", propertyName="email", propertyValue="")])
    assert "traits" not in emptied["context"]


def test_a_deal_goes_on_and_changes() -> None:
    on = event("hubspot", [change("deal.propertyChange", propertyName="dealstage", propertyValue="closedwon")])
    assert (on["event"], on["properties"]) == (
        "Opportunity Stage Changed",
        {"opportunity_id": "1246965", "stage": "closedwon"},
    )
    larger = event("hubspot", [change("deal.propertyChange", propertyName="amount", propertyValue="1200")])
    assert (larger["event"], larger["properties"]) == (
        "Opportunity Updated",
        {"opportunity_id": "1246965", "property": "amount", "value": "1200"},
    )


@pytest.mark.parametrize(
    ("type_id", "kind", "name"), [("0-48", "call", "Sales Call Logged"), ("0-47", "meeting", "Sales Meeting Logged")]
)
def test_a_call_or_meeting_is_an_event_of_the_contact_that_it_was_with_told_from_both_ends_once(
    type_id: str, kind: str, name: str
) -> None:
    there = association((type_id, 9), ("0-1", 1246965))
    back = association(("0-1", 1246965), (type_id, 9), eventId=2)
    found = event("hubspot", [there])
    assert event("hubspot", [back]) == found == {
        "type": "track",
        "event": name,
        "messageId": f"hubspot_{kind}_9_1246965",
        "anonymousId": "hubspot_contact_1246965",
        "timestamp": "2026-05-04T10:00:00.123Z",
        "context": {"library": {"name": "webhook:hubspot"}},
        "properties": {"crm_id": "1246965", "activity_id": "9"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (change("company.creation"), "no event for company.creation"),
        (change("object.creation", objectTypeId="2-99"), "no event for object.creation 2-99"),
        (change("contact.merge"), "no event for contact.merge"),
        (association(("0-48", 9), ("0-2", 5)), "no event for object.associationChange"),
        (
            association(("0-48", 9), ("0-1", 5)) | {"associationRemoved": True},
            "no event for object.associationChange",
        ),
        (
            change("object.creation", objectTypeId="0-48"),
            "a call without its contact: subscribe to object.associationChange with contacts",
        ),
        (change("contact.associationChange"), "no event for contact.associationChange"),
        (change("object.associationChange"), "not this tool's shape: KeyError('fromObjectTypeId')"),
        (5, "not this tool's shape: TypeError(\"'int' object is not subscriptable\")"),
    ],
)
def test_a_change_that_is_no_event_is_told_with_what_it_was(item: Any, reason: str) -> None:
    assert no_event("hubspot", [item], item) == reason


def test_a_bad_change_sinks_no_other() -> None:
    first, second, third = translated("hubspot", [change("contact.creation"), {}, change("deal.creation")])
    assert isinstance(first, dict) and isinstance(second, Unreadable) and isinstance(third, dict)
