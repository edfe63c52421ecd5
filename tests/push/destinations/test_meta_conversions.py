"""Meta's requests as they go out, and what its stand-in makes of them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import Answer, BatchRefusedError
from headwater.push.destinations.meta_conversions import MetaConversions
from headwater.push.pace import AskedToWaitError
from sandbox.standins.meta_conversions import MetaConversions as MetaStandin
from tests.push.destinations import spec_events as shop
from tests.standin_server import StandinServer, accepted, bodies, deliver, open_at, streamed

NOW = datetime.now(UTC).replace(microsecond=0)
ANA = {"email": " Ana@Example.com", "phone": "+351 912 345 678", "firstName": "Ana", "lastName": "d'Ávila",
       "gender": "female", "birthday": "1990-05-01",
       "address": {"city": "Vila Nova", "state": "PT-13", "postalCode": "4400-001", "country": "PT"}}  # fmt: skip


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[StandinServer]:
    with StandinServer(MetaStandin, tmp_path) as server:
        yield server


def make(url: str = "http://127.0.0.1:9", **settings: Any) -> MetaConversions:
    return open_at(MetaConversions, url, {"pixel_id": "1234567890"} | settings)  # type: ignore[return-value]


def sha(normal: str) -> str:
    return hashlib.sha256(normal.encode()).hexdigest()


def fresh(payload: dict[str, Any], age: timedelta = timedelta(minutes=5)) -> dict[str, Any]:
    return payload | {"timestamp": (NOW - age).isoformat()}


def test_a_completed_order_is_a_purchase_with_the_person_hashed() -> None:
    page = {"url": "https://shop.example/thanks?fbclid=IwAR1abc", "path": "/thanks"}
    context = {
        "traits": ANA,
        "page": page,
        "ip": "192.0.2.7",
        "userAgent": "Mozilla/5.0",
        "fbp": "fb.1.1558571054389.1",
    }
    [call] = make().calls(streamed(shop.ORDER_COMPLETED | {"context": context}))
    assert call.request.method == "POST"
    assert call.request.url == "http://127.0.0.1:9/v25.0/1234567890/events"
    assert "Authorization" not in call.request.headers
    [body] = bodies(make(), shop.ORDER_COMPLETED | {"context": context})
    assert body == {
        "access_token": "sandbox_demo",
        "data": [
            {
                "event_name": "Purchase",
                "event_time": shop.AT_SECONDS,
                "event_id": "m1",
                "action_source": "website",
                "event_source_url": "https://shop.example/thanks?fbclid=IwAR1abc",
                "user_data": {
                    "em": [sha("ana@example.com")],
                    "ph": [sha("351912345678")],
                    "fn": [sha("ana")],
                    "ln": [sha("dávila")],
                    "ge": [sha("f")],
                    "db": [sha("19900501")],
                    "ct": [sha("vilanova")],
                    "st": [sha("pt")],
                    "zp": [sha("4400001")],
                    "country": [sha("pt")],
                    "external_id": ["user-1"],
                    "client_ip_address": "192.0.2.7",
                    "client_user_agent": "Mozilla/5.0",
                    "fbp": "fb.1.1558571054389.1",
                    "fbc": f"fb.1.{shop.AT_SECONDS}000.IwAR1abc",
                },
                "custom_data": {
                    "value": 55.0,
                    "currency": "EUR",
                    "content_type": "product",
                    "content_ids": ["P-1", "P-2"],
                    "contents": [
                        {"id": "P-1", "quantity": 2, "item_price": 12.5},
                        {"id": "P-2", "quantity": 1, "item_price": 30.0},
                    ],
                    "num_items": 3,
                    "order_id": "O-1",
                },
            }
        ],
    }


def test_the_shops_events_have_metas_names_and_values() -> None:
    [body] = bodies(make(), *shop.ORDERS[1:5], shop.PAGE)
    told = [(event["event_name"], event.get("custom_data")) for event in body["data"]]
    mug = {"content_type": "product", "content_ids": ["P-1"], "num_items": 2,
           "contents": [{"id": "P-1", "quantity": 2, "item_price": 12.5}]}  # fmt: skip
    named = {"content_name": "Mug", "content_category": "Kitchen"}
    assert told[0] == ("ViewContent", {"value": 25.0, "currency": "EUR"} | mug | named)
    assert told[1] == ("AddToCart", {"value": 25.0, "currency": "EUR"} | mug | named)
    assert told[2][0] == "InitiateCheckout"
    assert told[2][1]["value"] == 55
    assert told[3] == ("Search", {"search_string": "blue mug"})
    assert told[4] == ("PageView", None)
    assert {event["user_data"]["external_id"][0] for event in body["data"]} == {"user-1"}


def test_only_events_that_meta_has_a_name_for_go_out() -> None:
    destination = make(event_names={"Order Refunded": "Refund"}, property_names={"plan": "predicted_ltv"})
    assert make().unsupported(shop.ORDER_REFUNDED) == (
        "no Meta event for «Order Refunded»; settings.event_names can name one"
    )
    assert "identify" in make().unsupported(shop.IDENTIFY)
    assert destination.unsupported(fresh(shop.ORDER_REFUNDED)) == ""
    assert destination.tool_event(shop.ORDER_REFUNDED) == "Refund"
    assert make().tool_event(shop.ORDER_COMPLETED) == "Purchase"
    [body] = bodies(destination, shop.track(1, "Order Refunded", {"plan": 7, "secret": "x"}))
    assert body["data"][0]["custom_data"] == {"predicted_ltv": 7}


def test_what_is_too_old_is_told_before_it_spoils_a_request() -> None:
    destination = make()
    destination.now = lambda: datetime(2026, 11, 27, 10)
    assert destination.unsupported(shop.PAGE) == ""
    destination.now = lambda: datetime(2026, 11, 27, 10, 0, 1)
    assert destination.unsupported(shop.PAGE) == "older than the 7 days that Meta takes"
    store = make(action_source="physical_store")
    store.now = lambda: datetime(2027, 1, 20)
    assert store.unsupported(shop.ORDER_COMPLETED) == ""
    store.now = lambda: datetime(2026, 1, 1)
    assert "event_time" in str(bodies(store, shop.ORDER_COMPLETED))
    assert bodies(store, shop.ORDER_COMPLETED)[0]["data"][0]["event_time"] == 1767225600, "never in the future"


def test_settings_say_more() -> None:
    destination = make(
        data_processing_options=["LDU"], app_secret="s3cret", test_event_code="TEST1", currency="USD",
        calling_code="49", hash_external_id=True, version="v24.0",
    )  # fmt: skip
    [call] = destination.calls(streamed(shop.PAGE))
    assert "/v24.0/" in call.request.url
    order = shop.track(1, "Order Completed", {"total": "5", "phone": "0171 23456"})
    [body] = bodies(destination, order)
    assert body["appsecret_proof"] == hmac.new(b"s3cret", b"sandbox_demo", "sha256").hexdigest()
    assert body["test_event_code"] == "TEST1"
    [event] = body["data"]
    assert (event["data_processing_options"], event["data_processing_options_country"]) == (["LDU"], 0)
    assert event["custom_data"] == {"value": 5.0, "currency": "USD"}
    assert event["user_data"] == {"ph": [sha("4917123456")], "external_id": [sha("user-1")]}
    [body] = bodies(destination, order | {"context": {"dataProcessingOptions": [[], 1, 1000]}})
    assert body["data"][0]["data_processing_options_state"] == 1000


def test_a_purchase_without_currency_is_told_in_words() -> None:
    with pytest.raises(ValueError, match="no Purchase without a value and a currency"):
        make().calls(streamed(shop.track(1, "Order Completed", {"total": 5})))


def test_events_arrive_and_repeated_they_are_one(tool: StandinServer) -> None:
    events = [fresh(event) for event in (*shop.ORDERS[:5], shop.PAGE)]
    for _ in range(2):
        assert accepted(deliver(make(tool.url), *events)) == [True] * 6
    assert tool.counts() == {
        "AddToCart": 1, "InitiateCheckout": 1, "PageView": 1, "Purchase": 1, "Search": 1, "ViewContent": 1,
    }  # fmt: skip
    assert tool.kept()[0]["user"] == "user-1"


def test_a_full_batch_is_taken_and_one_bad_event_refuses_all_of_it(tool: StandinServer) -> None:
    pages = [fresh(shop.PAGE | {"messageId": f"p{n}"}) for n in range(1000)]
    assert accepted(deliver(make(tool.url), *pages)) == [True] * 1000
    old = fresh(shop.PAGE | {"messageId": "old"}, timedelta(days=8))
    with pytest.raises(BatchRefusedError, match="too far in the past") as refused:
        deliver(make(tool.url), pages[0], old)
    assert refused.value.code == "100/2804003"
    assert tool.counts() == {"PageView": 1000}


def test_a_test_event_counts_nowhere(tool: StandinServer) -> None:
    assert accepted(deliver(make(tool.url, test_event_code="TEST1"), fresh(shop.PAGE))) == [True]
    assert tool.counts() == {}


def test_a_wrong_token_is_no_fault_of_the_events(tool: StandinServer) -> None:
    destination = open_at(MetaConversions, tool.url, {"pixel_id": "1"}, token="wrong")
    with pytest.raises(ConfigError, match="190 Invalid OAuth access token"):
        deliver(destination, fresh(shop.PAGE))


def test_a_busy_tool_is_waited_for_though_it_answers_400(tmp_path: Path) -> None:
    with StandinServer(MetaStandin, tmp_path, rate=0.001) as tool:
        assert accepted(deliver(make(tool.url), fresh(shop.PAGE))) == [True]
        destination = make(tool.url)
        destination.wait_seconds = lambda answer: 1000 * (MetaConversions.wait_seconds(destination, answer) or 0)  # type: ignore[method-assign]
        with pytest.raises(AskedToWaitError, match="request limit reached"):
            deliver(destination, fresh(shop.PAGE))
    throttled = {"error": {"code": 80004, "message": "There have been too many calls"}}
    assert make().wait_seconds(Answer(400, throttled, "")) == 60
    assert make().wait_seconds(Answer(400, {"error": {"code": 100, "is_transient": False}}, "")) is None
    assert make().wait_seconds(Answer(400, {"error": {"code": 100, "is_transient": True}}, "")) == 60
    assert make().wait_seconds(Answer(400, {"error": "odd"}, "")) is None


@pytest.mark.parametrize("json", [None, [], {}, {"events_received": 1}])
def test_an_answer_that_does_not_count_right_accepts_nothing(json: Any) -> None:
    [call] = make().calls(streamed(shop.PAGE, shop.PRODUCT_VIEWED))
    with pytest.raises(UnavailableError):
        make().call_outcomes(call, Answer(200, json, "…"))
