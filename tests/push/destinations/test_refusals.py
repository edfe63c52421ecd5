"""From the log through the delivery loop to a stand-in: a bad event goes to the dead letters with the tool's own words,
and the good ones beside it arrive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwater.configuration import Config, Identity, Platform, Stream
from headwater.configuration import Destination as DestinationConfig
from headwater.push.stream import Delivery
from headwater.settings import load_settings
from headwater.storage.deliveries import Deliveries, delivery_path
from sandbox.standins import STANDINS
from tests.push.destinations import spec_events as shop
from tests.push.log_events import write_events
from tests.standin_server import TOKEN, StandinServer

GOOGLE = {"customer_id": "123", "conversion_actions": {"Order Completed": "42"}, "client_id": "sandbox-client",
          "client_secret": TOKEN, "refresh_token": TOKEN}  # fmt: skip
CASES: dict[str, tuple[dict[str, Any], str, dict[str, Any], str, str]] = {
    # type: settings, token, what makes an event bad, the code and words of its dead letter
    "google_ads": (GOOGLE, TOKEN, {"properties": {"revenue": 1, "currency": "GOLD"}}, "UNSUPPORTED", "not supported"),
    "hubspot": (
        {"hub_id": "1234567", "event_names": {"Wrong": "pe9_x"}}, TOKEN, {"event": "Wrong"}, "400",
        "No event definition found for event pe9_x",
    ),
    "intercom": ({}, TOKEN, {"context": {"traits": {"email": "a@b"}}, "userId": None}, "parameter_invalid", "invalid"),
    "meta_conversions": (
        {"pixel_id": "1"}, TOKEN, {"properties": {"revenue": 1, "currency": "GOLD"}}, "100/2804016",
        "«GOLD» is no ISO 4217 currency",
    ),
    "salesforce": (
        {"client_id": "sandbox-client", "client_secret": TOKEN, "default_event": {
            "object": "Task", "id_field": "Headwater_Message_Id__c", "fields": {"ActivityDate": "properties.day"}}},
        "", {"properties": {"day": "soon"}}, "INVALID_TYPE_ON_FIELD_IN_RECORD", "value not of required type: soon",
    ),
    "slack": (
        {"messages": {"Wrong": {"blocks": [{"type": "nonsense"}]}}}, f"T0SANDBOX/B0SANDBOX/{TOKEN}",
        {"event": "Wrong"}, "invalid_blocks", "invalid_blocks",
    ),
}  # fmt: skip


def order(number: int, **fields: Any) -> dict[str, Any]:
    found = shop.track(number, "Order Completed", {"order_id": f"O-{number}", "revenue": 5, "currency": "EUR"})
    context = {
        "traits": {"email": f"p{number}@example.com"},
        "page": {"url": "https://shop.example/?gclid=Cj0KCQiA_abc"},
    }
    found = found | {"userId": f"u{number}", "context": context} | fields
    return {name: value for name, value in found.items() if name not in ("timestamp", "receivedAt")}


@pytest.mark.parametrize("kind", CASES)
def test_one_bad_event_is_kept_aside_and_the_others_arrive(kind: str, tmp_path: Path) -> None:
    made, token, wrong, code, words = CASES[kind]
    [standin] = [cls for cls in STANDINS if cls.name == kind]
    with StandinServer(standin, tmp_path / "tool", rate=1000.0) as tool:
        if kind == "google_ads":
            made = made | {"token_url": f"{tool.url}/token"}
        config = Config(
            platform=Platform(company="Shop", currency="EUR", stacks=["starter"]),
            sources={},
            import_source="server",
            identity=Identity(id_types={}, edges=[]),
            syncs={},
            destinations={
                "tool": DestinationConfig(
                    type=kind, base_url=tool.url, token=token, settings=made, stream=Stream(), rate_per_second=1000
                )
            },
        )
        settings = load_settings(home=tmp_path / "home", config=tmp_path / "config")
        write_events(settings.log_dir, order(1), order(2), order(3, **wrong), order(4), order(5))
        delivery = Delivery(settings, config, "tool")
        while delivery.step():
            pass
        delivery.close()
        store = Deliveries(delivery_path(settings, "tool"), read_only=True)
        [letter] = store.dead_letters()
        assert (letter.message_id, letter.code) == ("m3", code)
        assert words in letter.answer
        rows = {row.message_id: row.status for row in store.since(0, 100)}
        assert rows == {"m1": "delivered", "m2": "delivered", "m3": "rejected", "m4": "delivered", "m5": "delivered"}
        assert sum(count for event, count in tool.counts().items() if event != "contact") == 4
