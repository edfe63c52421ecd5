"""Google Ads' requests as they go out, and what its stand-in makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import Answer
from headwater.push.destinations.google_ads import GoogleAds
from headwater.push.oauth import authenticator
from headwater.push.sender import Sender
from sandbox.standins.google_ads import GoogleAds as GoogleAdsStandin
from tests.push.destinations import spec_events as shop
from tests.standin_server import StandinServer, accepted, bodies, deliver, open_at, streamed

SETTINGS = {
    "customer_id": "123-456-7890", "login_customer_id": "111-222-3333",
    "conversion_actions": {"Order Completed": "42", "Signed Up": "customers/1234567890/conversionActions/43"},
    "client_id": "sandbox-client", "client_secret": "sandbox_demo", "refresh_token": "sandbox_demo",
}  # fmt: skip
ACTION = "customers/1234567890/conversionActions/42"
CLICK = {"page": {"url": "https://shop.example/?gclid=Cj0KCQiA-abc_123"}}
RECENT = (datetime.now(UTC) - timedelta(hours=8)).isoformat()


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[StandinServer]:
    with StandinServer(GoogleAdsStandin, tmp_path) as server:
        yield server


def make(url: str = "http://127.0.0.1:9", **settings: Any) -> GoogleAds:
    made = SETTINGS | {"token_url": f"{url}/token"} | settings
    return open_at(GoogleAds, url, made)  # type: ignore[return-value]


def sha(normal: str) -> str:
    return hashlib.sha256(normal.encode()).hexdigest()


def order(number: int, **fields: Any) -> dict[str, Any]:
    properties = {"order_id": f"O-{number}", "revenue": 10 + number, "currency": "EUR"} | fields.pop("properties", {})
    return shop.track(number, "Order Completed", properties, context=CLICK, timestamp=RECENT) | fields


def test_a_completed_order_is_a_conversion_of_its_click_and_person() -> None:
    traits = {"email": "Ana.Silva@gmail.com", "phone": "912 345 678", "firstName": " Ana", "lastName": "d'Ávila",
              "address": {"street": "Rua 1", "city": "Porto", "country": "PT", "postalCode": "4400-001"}}  # fmt: skip
    consent = {"categoryPreferences": {"advertising": True, "personalization": False}}
    payload = shop.ORDER_COMPLETED | {"context": CLICK | {"traits": traits, "consent": consent}}
    destination = make(
        calling_code="351", ad_user_data="advertising", ad_personalization="personalization", merchant_id="99",
        feed_country="PT", feed_language="pt",
    )  # fmt: skip
    [call] = destination.calls(streamed(payload))
    assert call.request.url == "http://127.0.0.1:9/v25/customers/1234567890:uploadClickConversions"
    assert call.request.headers["developer-token"] == "sandbox_demo"
    assert call.request.headers["login-customer-id"] == "1112223333"
    assert bodies(destination, payload) == [
        {
            "conversions": [
                {
                    "conversionAction": ACTION,
                    "conversionDateTime": "2026-11-20 10:00:00+00:00",
                    "orderId": "O-1",
                    "conversionEnvironment": "WEB",
                    "conversionValue": 55.0,
                    "currencyCode": "EUR",
                    "gclid": "Cj0KCQiA-abc_123",
                    "userIdentifiers": [
                        {"hashedEmail": sha("anasilva@gmail.com")},
                        {"hashedPhoneNumber": sha("+351912345678")},
                        {
                            "addressInfo": {
                                "hashedFirstName": sha("ana"),
                                "hashedLastName": sha("d'ávila"),
                                "hashedStreetAddress": sha("rua 1"),
                                "city": "Porto",
                                "countryCode": "PT",
                                "postalCode": "4400-001",
                            }
                        },
                    ],
                    "consent": {"adUserData": "GRANTED", "adPersonalization": "DENIED"},
                    "cartData": {
                        "merchantId": "99",
                        "feedCountryCode": "PT",
                        "feedLanguageCode": "pt",
                        "items": [
                            {"productId": "P-1", "quantity": 2, "unitPrice": 12.5},
                            {"productId": "P-2", "quantity": 1, "unitPrice": 30.0},
                        ],
                    },
                }
            ],
            "partialFailure": True,
        }
    ]


def test_a_no_to_user_data_keeps_the_person_out() -> None:
    context = {"traits": {"email": "a@x.y"}, "consentManagement": {"deniedConsentIds": ["advertising"]}}
    destination = make(ad_user_data="advertising")
    assert "nobody whom Google may be told" in destination.unsupported(order(1, context=context))
    [body] = bodies(destination, order(1, context=context | CLICK))
    assert body["conversions"][0]["consent"] == {"adUserData": "DENIED"}
    assert "userIdentifiers" not in body["conversions"][0]
    [body] = bodies(make(ad_user_data="other", consent_when_absent="GRANTED"), order(1, context=context))
    assert body["conversions"][0]["consent"]["adUserData"] == "GRANTED"
    assert body["conversions"][0]["userIdentifiers"] == [{"hashedEmail": sha("a@x.y")}]


@pytest.mark.parametrize(
    "said",
    [
        {"consent": {"categoryPreferences": {"analytics": True}}},
        {"consentManagement": {"allowedConsentIds": ["analytics"]}},
        {"consentManagement": {"deniedConsentIds": {"advertising": True}}},
        {"consent": {"categoryPreferences": {"advertising": "yes"}}},
    ],
    ids=["not among the preferences", "not among the allowed", "denied as an object", "no truth"],
)
def test_whoever_did_not_allow_the_category_stays_out_whatever_way_it_was_said(said: dict[str, Any]) -> None:
    context = {"traits": {"email": "a@x.y"}} | said
    destination = make(ad_user_data="advertising", consent_when_absent="GRANTED")
    assert "nobody whom Google may be told" in destination.unsupported(order(1, context=context))
    [body] = bodies(destination, order(1, context=context | CLICK))
    assert body["conversions"][0]["consent"]["adUserData"] == "DENIED"
    assert "userIdentifiers" not in body["conversions"][0]


def test_only_one_click_id_goes_and_nobody_beside_a_braid() -> None:
    braid = {"page": {"url": "https://shop.example/?gbraid=0AAA-bbb&wbraid=x"}, "traits": {"email": "a@x.y"}}
    [body] = bodies(make(), order(1, context=braid))
    conversion = body["conversions"][0]
    assert {"gclid", "gbraid", "wbraid", "userIdentifiers"} & conversion.keys() == {"gbraid"}


def test_what_has_no_action_or_nobody_is_filtered() -> None:
    assert "no conversion action for «Product Viewed»" in make().unsupported(shop.PRODUCT_VIEWED)
    assert "no click id" in make().unsupported(shop.ORDER_COMPLETED)
    assert make().unsupported(order(1)) == ""
    assert make().tool_event(order(1)) == ACTION
    back = make(retractions={"Order Refunded": "42"})
    assert back.unsupported(shop.ORDER_REFUNDED) == ""
    assert "order_id" in back.unsupported(shop.track(1, "Order Refunded", {}))


def test_conversions_arrive_after_a_login_and_repeated_they_are_one(tool: StandinServer) -> None:
    orders = [order(n) for n in range(5)]
    for _ in range(2):
        assert accepted(deliver(make(tool.url), *orders)) == [True] * 5
    assert tool.counts() == {ACTION: 5}


def test_a_partial_failure_finds_its_event(tool: StandinServer) -> None:
    old = "2026-01-01T00:00:00Z"
    events = [order(0), order(1, timestamp=old), order(2), order(3, properties={"currency": "GOLD"})]
    found = deliver(make(tool.url), *events)
    assert accepted(found) == [True, False, True, False]
    assert (found[1][0].code, found[1][0].is_transient) == ("EXPIRED_EVENT", False)
    assert found[3][0].code == "UNSUPPORTED"
    assert tool.counts() == {ACTION: 2}


def test_the_same_order_twice_in_a_batch_goes_in_two_requests(tool: StandinServer) -> None:
    twice = [order(1), order(2), order(1) | {"messageId": "again"}]
    assert [call.events for call in make().calls(streamed(*twice))] == [(0, 1), (2,)]
    assert accepted(deliver(make(tool.url), *twice)) == [True] * 3
    assert tool.counts() == {ACTION: 2}


def test_a_refund_takes_its_conversion_back(tool: StandinServer) -> None:
    destination = make(tool.url, retractions={"Order Refunded": "42"})
    [first, second] = destination.calls(streamed(shop.ORDER_REFUNDED, order(1)))
    assert (first.events, second.events) == ((1,), (0,))
    assert bodies(destination, shop.ORDER_REFUNDED)[0]["conversionAdjustments"] == [
        {"adjustmentType": "RETRACTION", "conversionAction": ACTION, "orderId": "O-1",
         "adjustmentDateTime": "2026-11-20 10:00:00+00:00"}
    ]  # fmt: skip
    for _ in range(2):
        assert accepted(deliver(destination, shop.ORDER_REFUNDED, order(1))) == [True, True]
    assert tool.counts() == {ACTION: 1, f"{ACTION} RETRACTION": 1}


def test_a_token_that_expired_is_fetched_anew(tool: StandinServer) -> None:
    destination = make(tool.url)
    with Sender("google", 100, auth=authenticator("google", destination)) as sender:
        for n in range(3):
            [call] = destination.calls(streamed(order(n)))
            sender.send(call.request, destination)
            httpx.post(f"{tool.url}/_expire").raise_for_status()
    assert tool.counts() == {ACTION: 3}


def test_a_refused_login_or_developer_token_is_no_fault_of_the_events(tool: StandinServer) -> None:
    with pytest.raises(ConfigError, match=r"does not let us log in .*invalid_grant"):
        deliver(make(tool.url, refresh_token="revoked"), order(1))
    destination = open_at(GoogleAds, tool.url, SETTINGS | {"token_url": f"{tool.url}/token"}, token="wrong")
    with pytest.raises(ConfigError, match="developer token is not valid"):
        deliver(destination, order(1))


def test_a_login_that_fails_now_is_tried_again(tool: StandinServer) -> None:
    tool.fault(times=2, status=503)
    assert accepted(deliver(make(tool.url), order(1))) == [True]


def test_a_used_up_quota_tells_how_long(tmp_path: Path) -> None:
    waits: list[float] = []
    with StandinServer(GoogleAdsStandin, tmp_path, rate=0.01) as tool:
        destination = make(tool.url)

        def wait(told: float) -> None:
            waits.append(told)
            tool.pass_time(told)

        auth = authenticator("google", destination)
        with Sender("google", 100, auth=auth, sleep=wait) as sender:
            [call] = destination.calls(streamed(order(1)))
            assert sender.send(call.request, destination).status == 200
    assert len(waits) == 1, "the login took the stand-in's only token"
    assert 50 < waits[0] <= 100
    delay = {"errors": [{"details": {"quotaErrorDetails": {"retryDelay": "31s"}}}]}
    assert make().wait_seconds(Answer(429, {"error": {"details": [delay]}}, "")) == 31
    assert make().wait_seconds(Answer(429, {"error": {}}, "")) is None


@pytest.mark.parametrize(
    "json",
    [
        None,
        [],
        {"partialFailureError": {"message": "some"}},
        {"partialFailureError": {"details": [{"errors": [{"message": "which?"}]}]}, "results": [{}, {}]},
        {"partialFailureError": {"details": [{"errors": [{"location": {"fieldPathElements": [
            {"fieldName": "conversions", "index": 7}]}}]}]}},
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_tied_to_events_accepts_none(json: Any) -> None:
    [call] = make().calls(streamed(order(1), order(2)))
    with pytest.raises(UnavailableError):
        make().call_outcomes(call, Answer(200, json, "…"))
