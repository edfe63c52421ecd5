"""Consent of the person and the wish of the sender."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.configuration import Consent
from headwater.policy.consent import allowed, allows, integrations_allows


def segment(**preferences: bool) -> dict[str, Any]:
    return {"context": {"consent": {"categoryPreferences": preferences}}}


def rudder(**lists: Any) -> dict[str, Any]:
    return {"context": {"consentManagement": lists}}


def both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {"context": one["context"] | other["context"]}


@pytest.mark.parametrize(
    ("payload", "for_all", "for_any"),
    [
        (segment(marketing=True, analytics=True), True, True),
        (segment(marketing=True, analytics=False), False, True),
        (segment(marketing=False, analytics=False), False, False),
        (segment(marketing=True), False, True),
        (segment(other=True), False, False),
        (segment(marketing="yes", analytics="yes"), False, False),  # type: ignore[arg-type]
        (rudder(allowedConsentIds=["marketing", "analytics"]), True, True),
        (rudder(allowedConsentIds=["marketing"]), False, True),
        (rudder(deniedConsentIds=["marketing"]), False, True),
        (rudder(deniedConsentIds=["other"]), True, True),
        (rudder(allowedConsentIds={"marketing": True, "analytics": False}), False, True),
        (rudder(allowedConsentIds=["marketing"], deniedConsentIds=["analytics"]), False, True),
        (rudder(allowedConsentIds=["marketing", "analytics"], deniedConsentIds=["marketing"]), False, True),
        (both(segment(marketing=True, analytics=True), rudder(deniedConsentIds=["marketing"])), False, True),
        (both(segment(marketing=True, analytics=True), rudder(deniedConsentIds=["other"])), True, True),
        (both(segment(marketing=False), rudder(allowedConsentIds=["marketing", "analytics"])), False, False),
    ],
)
def test_categories_are_read_in_both_dialects(payload: dict[str, Any], for_all: bool, for_any: bool) -> None:
    categories = ["marketing", "analytics"]
    assert allows(Consent(categories), payload) is for_all
    assert allows(Consent(categories, require="any"), payload) is for_any


@pytest.mark.parametrize(
    "payload", [{}, {"context": None}, {"context": {"consent": 3}}, segment(), rudder(), rudder(allowedConsentIds=[])]
)
def test_an_event_without_preferences_follows_the_destination(payload: dict[str, Any]) -> None:
    assert allows(Consent(["marketing"]), payload)
    assert not allows(Consent(["marketing"], when_absent="withhold"), payload)


def test_one_category_is_told_as_yes_no_or_nothing() -> None:
    assert allowed(segment(marketing=True), "marketing") is True
    assert allowed(segment(marketing=True), "analytics") is False
    assert allowed(rudder(deniedConsentIds={"marketing": True}), "marketing") is False
    assert allowed({}, "marketing") is None


def test_a_destination_that_asks_for_nothing_gets_everything() -> None:
    assert allows(None, segment(marketing=False))
    assert allows(Consent([], when_absent="withhold"), segment(marketing=False))


@pytest.mark.parametrize(
    ("integrations", "expected"),
    [
        (None, True),
        ({}, True),
        ("all", True),
        ({"All": True}, True),
        ({"All": False}, False),
        ({"All": False, "Google Analytics 4": True}, True),
        ({"All": False, "ga4": {"clientId": "x"}}, True),
        ({"all": False, "google_analytics-4": {}}, True),
        ({"Google Analytics 4": False}, False),
        ({"All": True, "GA4": False}, False),
        ({"GA4": None, "All": False}, False),
        ({"Mixpanel": False}, True),
        ({"Google Analytics 4": True, "ga4": False}, False),
    ],
)
def test_a_messages_integrations_choose_by_any_of_the_names(integrations: Any, expected: bool) -> None:
    assert integrations_allows(["Google Analytics 4", "ga4", ""], {"integrations": integrations}) is expected
