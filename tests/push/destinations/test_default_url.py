"""A tool is found without an address in the config, at the one of the account's region, and elsewhere where told."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.configuration import Destination as DestinationConfig
from headwater.push.destinations import CLASSES


@pytest.mark.parametrize(
    ("type_", "settings", "url"),
    [
        ("amplitude", {}, "https://api2.amplitude.com"),
        ("amplitude", {"region": "eu"}, "https://api.eu.amplitude.com"),
        ("customerio", {"site_id": "s", "region": "eu"}, "https://track-eu.customer.io"),
        ("mixpanel", {"region": "in"}, "https://api-in.mixpanel.com"),
        ("ga4", {"measurement_id": "G-1"}, "https://www.google-analytics.com"),
        ("hubspot", {}, "https://api.hubapi.com"),
        ("intercom", {}, "https://api.intercom.io"),
        ("klaviyo", {}, "https://a.klaviyo.com"),
        ("meta_conversions", {"pixel_id": "1"}, "https://graph.facebook.com"),
        ("slack", {}, "https://hooks.slack.com"),
    ],
)
def test_a_tool_has_an_address_of_its_own(type_: str, settings: dict[str, Any], url: str) -> None:
    def found(base_url: str) -> str:
        return CLASSES[type_](DestinationConfig(type=type_, token="t", base_url=base_url, settings=settings)).base_url

    assert found("") == url
    assert found("http://127.0.0.1:9/") == "http://127.0.0.1:9"
