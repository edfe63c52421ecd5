"""A company's own names for traits hold at every tool that takes profiles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.push.destinations.amplitude import Amplitude
from headwater.push.destinations.base import EventDestination
from headwater.push.destinations.braze import Braze
from headwater.push.destinations.customerio import CustomerIo
from headwater.push.destinations.ga4 import Ga4
from headwater.push.destinations.klaviyo import Klaviyo
from headwater.push.destinations.mixpanel import Mixpanel
from tests.push.destinations import spec_events as shop
from tests.standin_server import bodies, open_at

NEEDED: dict[type[EventDestination], dict[str, Any]] = {
    Amplitude: {},
    Braze: {},
    CustomerIo: {"site_id": "s"},
    Ga4: {"measurement_id": "G-1", "identify_event": "login"},
    Klaviyo: {},
    Mixpanel: {},
}


@pytest.mark.parametrize("cls", NEEDED, ids=lambda cls: cls.type)
def test_a_trait_has_the_companys_name(cls: type[EventDestination]) -> None:
    identify = shop.event(1, "identify", traits={"plan": "premium"})
    sent = json.dumps(bodies(open_at(cls, "http://127.0.0.1:9", NEEDED[cls]), identify))
    assert '"plan": ' in sent
    own = NEEDED[cls] | {"property_names": {"plan": "tier"}}
    sent = json.dumps(bodies(open_at(cls, "http://127.0.0.1:9", own), identify))
    assert '"tier": ' in sent
    assert '"plan": ' not in sent
