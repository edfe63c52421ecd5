"""Each tool's calls as its documentation shows them; signatures are computed here, by the documentation's words."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headwater.collect.webhooks import Unreadable
from headwater.collect.webhooks.common import TOLERANCE
from headwater.collect.webhooks.registry import TYPES
from headwater.event import fault

NOW = datetime(2026, 5, 4, 12, 0, 0)
SECRET = "whsec_demo"
BODY = b'{"id": "\xc3\xa4"}'
EMAIL_ID = "email_" + hashlib.sha256(b"ann@example.com").hexdigest()[:32]


def digest(*parts: bytes) -> bytes:
    return hmac.new(SECRET.encode(), b"".join(parts), hashlib.sha256).digest()


def unix(at: datetime) -> str:
    return str(int(at.replace(tzinfo=UTC).timestamp()))


def signed(tool: str, body: bytes, at: datetime = NOW) -> dict[str, str]:
    """The headers of a call."""
    stamp = unix(at)
    if tool == "stripe":
        return {"stripe-signature": f"t={stamp},v1={digest(stamp.encode(), b'.', body).hex()},v0=old"}
    if tool == "crm":
        return {"x-signature": f"t={stamp},v1={digest(stamp.encode(), b'.', body).hex()}"}
    if tool == "customerio":
        made = digest(b"v0:", stamp.encode(), b":", body).hex()
        return {"x-cio-timestamp": stamp, "x-cio-signature": made}
    if tool == "zendesk":
        told = at.isoformat() + "Z"
        made = base64.b64encode(digest(told.encode(), body)).decode()
        return {"x-zendesk-webhook-signature-timestamp": told, "x-zendesk-webhook-signature": made}
    if tool == "shopify":
        return {"x-shopify-hmac-sha256": base64.b64encode(digest(body)).decode()}
    return {"authorization": f"Bearer {SECRET}"}


def translated(tool: str, call: Any) -> list[dict[str, Any] | Unreadable]:
    return list(TYPES[tool].translate(json.dumps(call).encode()))


def event(tool: str, call: Any) -> dict[str, Any]:
    """The one event of a call."""
    (found,) = translated(tool, call)
    assert isinstance(found, dict), found
    assert fault(found["type"], found["event"], found.get("userId"), found.get("anonymousId")) is None
    assert found["context"]["library"] == {"name": f"webhook:{tool}"}
    return found


@pytest.mark.parametrize("tool", sorted(TYPES))
def test_a_call_is_the_tools_own_by_its_signature_alone(tool: str) -> None:
    verify = TYPES[tool].verify
    headers = signed(tool, BODY)
    assert verify(SECRET, headers, {}, BODY, NOW)
    assert not verify("another", headers, {}, BODY, NOW)
    assert not verify(SECRET, {}, {}, BODY, NOW)
    assert not verify(SECRET, dict.fromkeys(headers, "ä=,;\x00"), {}, BODY, NOW)
    if tool != "generic":
        assert not verify(SECRET, headers, {}, BODY + b" ", NOW)
        assert not verify("", signed(tool, BODY), {}, BODY, NOW)


@pytest.mark.parametrize("tool", ["crm", "customerio", "stripe", "zendesk"])
@pytest.mark.parametrize("away", [TOLERANCE + timedelta(seconds=1), -TOLERANCE - timedelta(seconds=1)])
def test_an_old_call_played_again_is_refused(tool: str, away: timedelta) -> None:
    verify = TYPES[tool].verify
    assert verify(SECRET, signed(tool, BODY, NOW - away / 2), {}, BODY, NOW)
    assert not verify(SECRET, signed(tool, BODY, NOW - away), {}, BODY, NOW)


def test_stripe_sends_two_signatures_while_a_secret_is_renewed() -> None:
    (header,) = signed("stripe", BODY).values()
    stamp, good, _ = header.split(",")
    assert TYPES["stripe"].verify(SECRET, {"stripe-signature": f"{stamp},v1=00ff,{good}"}, {}, BODY, NOW)


def test_any_tool_may_send_its_token_where_it_can() -> None:
    verify = TYPES["generic"].verify
    assert verify(SECRET, {"x-webhook-token": SECRET}, {}, BODY, NOW)
    assert verify(SECRET, {}, {"token": SECRET}, BODY, NOW)
    assert not verify(SECRET, {}, {"token": "guess"}, BODY, NOW)
    assert verify("", {}, {}, BODY, NOW)  # no secret in the config: anybody may


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


def stripe(kind: str, item: dict[str, Any], **data: Any) -> dict[str, Any]:
    return {
        "id": "evt_1", "object": "event", "created": 1777888800, "type": kind, "data": {"object": item, **data}
    }  # fmt: skip


INVOICE = {
    "id": "in_1", "object": "invoice", "amount_due": 2990, "amount_paid": 1990, "currency": "usd",
    "customer": "cus_1", "customer_email": "ann@example.com",
}  # fmt: skip


def test_a_paid_invoice_as_an_event_of_the_spec() -> None:
    parent = {"subscription_details": {"subscription": "sub_1", "metadata": {"user_id": "usr_1"}}}
    assert event("stripe", stripe("invoice.paid", INVOICE | {"parent": parent})) == {
        "type": "track",
        "event": "Invoice Paid",
        "messageId": "stripe_evt_1",
        "userId": "usr_1",
        "timestamp": "2026-05-04T10:00:00.000Z",
        "context": {"traits": {"email": "ann@example.com"}, "library": {"name": "webhook:stripe"}},
        "properties": {
            "payment_id": "cus_1",
            "invoice_id": "in_1",
            "subscription_id": "sub_1",
            "total": 19.9,
            "currency": "USD",
        },
    }


def test_an_unpaid_invoice_tells_what_is_due_in_the_currencys_own_unit() -> None:
    old = INVOICE | {"subscription": "sub_9", "currency": "jpy", "customer_email": None}
    found = event("stripe", stripe("invoice.payment_failed", old))
    assert (found["event"], found["anonymousId"]) == ("Invoice Payment Failed", "stripe_cus_1")
    properties = found["properties"]
    assert (properties["total"], properties["currency"], properties["subscription_id"]) == (2990, "JPY", "sub_9")


def test_subscriptions_start_and_end() -> None:
    price = {"id": "price_1", "nickname": "plus", "unit_amount": 1900, "currency": "usd"}
    item = {"id": "sub_1", "object": "subscription", "customer": "cus_1", "metadata": {"user_id": "usr_1"},
            "items": {"data": [{"price": price}]}}  # fmt: skip
    begun = event("stripe", stripe("customer.subscription.created", item))
    assert begun["event"] == "Subscription Started"
    assert begun["properties"] == {
        "payment_id": "cus_1", "subscription_id": "sub_1", "plan": "plus", "price": 19.0, "currency": "USD"
    }  # fmt: skip
    ended = event(
        "stripe",
        stripe("customer.subscription.deleted", item | {"cancellation_details": {"reason": "cancellation_requested"}}),
    )
    assert (ended["event"], ended["properties"]["reason"]) == ("Subscription Cancelled", "cancellation_requested")


def test_a_second_refund_of_a_charge_tells_only_its_own_money() -> None:
    charge = {"id": "ch_1", "object": "charge", "amount_refunded": 3000, "currency": "eur", "customer": None,
              "receipt_email": "ann@example.com", "metadata": {"order_id": "EO-1"}}  # fmt: skip
    found = event("stripe", stripe("charge.refunded", charge, previous_attributes={"amount_refunded": 1000}))
    assert found["event"] == "Order Refunded"
    assert found["properties"] == {"order_id": "EO-1", "refund_id": "evt_1", "total": 20.0, "currency": "EUR"}
    assert found["anonymousId"] == EMAIL_ID


def zendesk(kind: str, change: dict[str, Any], **detail: Any) -> dict[str, Any]:
    return {
        "type": f"zen:event-type:ticket.{kind}",
        "account_id": 22129848,
        "id": "cbe4028c-7239-495d-b020-f22348516046",
        "time": "2026-05-04T10:00:00.5Z",
        "zendesk_event_version": "2022-11-06",
        "subject": "zen:ticket:5158",
        "detail": {
            "id": "5158", "subject": "Where is my order?", "status": "OPEN", "priority": "HIGH",
            "requester_id": "8447", "via": {"channel": "web_service"}, **detail,
        },
        "event": change,
    }  # fmt: skip


def test_a_ticket_is_opened() -> None:
    who = {"external_id": "usr_1", "email": "ann@example.com"}
    assert event("zendesk", zendesk("created", {"meta": {}}, requester=who)) == {
        "type": "track",
        "event": "Ticket Opened",
        "messageId": "zendesk_cbe4028c-7239-495d-b020-f22348516046",
        "userId": "usr_1",
        "timestamp": "2026-05-04T10:00:00.5Z",
        "context": {"traits": {"email": "ann@example.com"}, "library": {"name": "webhook:zendesk"}},
        "properties": {
            "ticket_id": "5158",
            "subject": "Where is my order?",
            "status": "OPEN",
            "priority": "HIGH",
            "channel": "web_service",
        },
    }


def test_a_ticket_is_rated_and_solved() -> None:
    rated = event("zendesk", zendesk("csat_received", {"rating": "good"}))
    assert (rated["event"], rated["properties"]["rating"], rated["anonymousId"]) == (
        "Ticket Rated",
        "good",
        "zendesk_8447",
    )
    solved = event("zendesk", zendesk("status_changed", {"current": "SOLVED", "previous": "OPEN"}, status="SOLVED"))
    assert (solved["event"], solved["properties"]["status"], solved["properties"]["previous_status"]) == (
        "Ticket Status Changed",
        "SOLVED",
        "OPEN",
    )


LINE = {"product_id": 788032119674292922, "sku": "JAC-1", "title": "Rain Jacket", "variant_title": "",
        "price": "129.90", "quantity": 2}  # fmt: skip
ORDER = {
    "id": 820982911946154508, "email": "ann@example.com", "created_at": "2026-05-04T06:00:00-04:00",
    "cancelled_at": None, "cancel_reason": None, "currency": "USD", "total_price": "259.80",
    "subtotal_price": "249.80", "total_tax": "0.00", "total_discounts": "10.00",
    "discount_codes": [{"code": "WELCOME10", "amount": "10.00"}],
    "customer": {"id": 115310627314723954, "email": "ann@example.com"}, "line_items": [LINE],
}  # fmt: skip


def test_an_order_as_an_event_of_the_spec() -> None:
    assert event("shopify", ORDER) == {
        "type": "track",
        "event": "Order Completed",
        "messageId": "shopify_820982911946154508_created",
        "anonymousId": EMAIL_ID,
        "timestamp": "2026-05-04T06:00:00-04:00",
        "context": {"traits": {"email": "ann@example.com"}, "library": {"name": "webhook:shopify"}},
        "properties": {
            "order_id": "820982911946154508",
            "customer_id": "115310627314723954",
            "total": 259.8,
            "revenue": 249.8,
            "tax": 0.0,
            "discount": 10.0,
            "currency": "USD",
            "coupon": "WELCOME10",
            "products": [
                {
                    "product_id": "788032119674292922",
                    "sku": "JAC-1",
                    "name": "Rain Jacket",
                    "price": 129.9,
                    "quantity": 2,
                }
            ],
        },
    }


def test_an_order_is_the_users_whom_the_cart_names() -> None:
    named = {"note_attributes": [{"name": "gift", "value": "yes"}, {"name": "user_id", "value": "usr_1"}]}
    assert event("shopify", ORDER | named)["userId"] == "usr_1"


def test_a_cancelled_order_and_a_refund() -> None:
    gone = event("shopify", ORDER | {"cancelled_at": "2026-05-05T06:00:00-04:00", "cancel_reason": "customer"})
    assert (gone["event"], gone["timestamp"], gone["properties"]["reason"]) == (
        "Order Cancelled",
        "2026-05-05T06:00:00-04:00",
        "customer",
    )
    assert gone["messageId"] != event("shopify", ORDER)["messageId"]
    refund = {
        "id": 890088186047892319, "order_id": ORDER["id"], "created_at": "2026-05-06T06:00:00-04:00",
        "refund_line_items": [{"quantity": 1, "line_item": LINE}],
        "transactions": [{"amount": "100.00", "currency": "USD"}, {"amount": "29.90", "currency": "USD"}],
    }  # fmt: skip
    back = event("shopify", refund)
    assert back["event"] == "Order Refunded"
    assert back["anonymousId"] == "shopify_order_820982911946154508"
    assert back["properties"]["total"] == 129.9
    assert back["properties"]["refund_id"] == "890088186047892319"
    assert back["properties"]["products"][0]["quantity"] == 1


def test_several_changes_of_a_crm_and_bad_ones_among_them() -> None:
    contact = {"id": "con_1", "email": "ann@example.com", "shop_user_id": "usr_1"}
    call = {"id": "1", "type": "sales_call.logged", "occurred_at": "2026-05-04T10:00:00Z", "contact": contact,
            "note": "wants a quote", "duration_seconds": 310, "outcome": "interested"}  # fmt: skip
    stage = {"id": "3", "type": "opportunity.stage_changed", "contact": {"id": "con_2"}, "opportunity_id": "opp_1",
             "stage": "won", "previous_stage": "proposal", "amount": 1200}  # fmt: skip
    first, second, third, fourth, fifth = translated(
        "crm", {"events": [call, {"id": "2", "type": "contact.merged"}, stage, 5, {"type": "sales_call.logged"}]}
    )
    assert first == {
        "type": "track",
        "event": "Sales Call Logged",
        "messageId": "crm_1",
        "userId": "usr_1",
        "timestamp": "2026-05-04T10:00:00Z",
        "context": {"traits": {"email": "ann@example.com"}, "library": {"name": "webhook:crm"}},
        "properties": {
            "crm_id": "con_1",
            "note": "wants a quote",
            "outcome": "interested",
            "duration_seconds": 310,
        },
    }
    assert isinstance(third, dict)
    assert (third["event"], third["anonymousId"], third["properties"]["previous_stage"]) == (
        "Opportunity Stage Changed",
        "crm_con_2",
        "proposal",
    )
    assert isinstance(second, Unreadable) and second.reason == "no event for contact.merged"
    assert isinstance(fourth, Unreadable) and fourth.payload == b"5"
    assert isinstance(fifth, Unreadable) and fifth.reason.startswith("not this tool's shape")


@pytest.mark.parametrize(
    ("tool", "call"),
    [
        ("customerio", cio("drafted")),
        ("customerio", cio("clicked") | {"object_type": "push"}),
        ("stripe", stripe("customer.updated", {"id": "cus_1", "object": "customer"})),
        ("zendesk", zendesk("tags_changed", {})),
        ("shopify", {"id": 1, "title": "a product"}),
    ],
)
def test_a_call_that_is_no_event_is_told_with_what_it_was(tool: str, call: dict[str, Any]) -> None:
    (found,) = translated(tool, call)
    assert isinstance(found, Unreadable)
    assert json.loads(found.payload) == call
    assert found.reason.startswith(("no event for ", "neither an order"))


@pytest.mark.parametrize("tool", sorted(set(TYPES) - {"generic"}))
@pytest.mark.parametrize("body", [b"{", b"<a/>", b"\xff", b"[" * 5000, b"[]", b"null", b'"text"', b""])
def test_a_body_that_is_no_call_is_an_error_of_reading(tool: str, body: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        TYPES[tool].translate(body)


@pytest.mark.parametrize(
    ("tool", "call"),
    [
        *[(tool, {}) for tool in ("crm", "customerio", "stripe", "zendesk")],
        ("crm", {"events": 5}),
        ("customerio", {"metric": [], "data": {}}),
        ("customerio", {"metric": "sent", "object_type": "email", "data": 1}),
        ("stripe", {"type": "invoice.paid", "data": 1}),
        ("stripe", {"type": "invoice.paid", "id": "evt_1", "data": {"object": {"object": "spaceship"}}}),
        ("zendesk", {"type": "ticket.created", "detail": 2}),
        ("shopify", {"line_items": 5, "id": 1}),
        ("shopify", {"refund_line_items": [5], "id": 1, "order_id": 2}),
    ],
)
def test_json_of_another_shape_is_told_apart(tool: str, call: Any) -> None:
    with pytest.raises((LookupError, TypeError, AttributeError)):
        translated(tool, call)


def test_any_tools_body_is_kept_as_it_came() -> None:
    found = event("generic", {"form": "newsletter", "email": "ann@example.com"})
    assert (found["event"], found["anonymousId"]) == ("Webhook Received", EMAIL_ID)
    assert found["properties"] == {"form": "newsletter", "email": "ann@example.com"}
    assert found["messageId"] == event("generic", {"form": "newsletter", "email": "ann@example.com"})["messageId"]
    assert event("generic", {"user_id": 17})["userId"] == "17"
    nobody = event("generic", [1, 2])
    assert nobody["properties"] == {"items": [1, 2]}
    assert nobody["anonymousId"] == nobody["messageId"]
    assert event("generic", {"anonymousId": {"odd": 1}})["anonymousId"].startswith("webhook_")
