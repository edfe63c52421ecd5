"""What holds for every tool that may call us, a new one unasked: its signature, and calls that are none of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from headwater.collect.webhooks.common import TOLERANCE
from headwater.collect.webhooks.registry import TYPES
from tests.collect.webhooks.calls import BODY, NOW, call, secret, signed, translated

TIMELESS = {"generic", "shopify"}
"""Their calls say nothing of when they were sent."""


@pytest.mark.parametrize("tool", sorted(TYPES))
def test_a_call_is_the_tools_own_by_its_signature_alone(tool: str) -> None:
    verify = TYPES[tool].verify
    headers = signed(tool, BODY)
    assert verify(secret(tool), call(headers))
    assert not verify("another", call(headers))
    assert not verify(secret(tool), call({}))
    assert not verify(secret(tool), call(dict.fromkeys(headers, "ä=,;\x00")))
    for name in headers:
        assert not verify(secret(tool), call(headers | {name: ""}))
    if tool != "generic":
        assert not verify(secret(tool), call(headers, BODY + b" "))
        assert not verify("", call(signed(tool, BODY)))


@pytest.mark.parametrize("tool", sorted(set(TYPES) - TIMELESS))
@pytest.mark.parametrize("away", [TOLERANCE + timedelta(seconds=1), -TOLERANCE - timedelta(seconds=1)])
def test_an_old_call_played_again_is_refused(tool: str, away: timedelta) -> None:
    verify = TYPES[tool].verify
    assert verify(secret(tool), call(signed(tool, BODY, NOW - away / 2)))
    assert not verify(secret(tool), call(signed(tool, BODY, NOW - away)))


@pytest.mark.parametrize("tool", sorted(set(TYPES) - {"generic"}))
@pytest.mark.parametrize("body", [b"{", b"<a/>", b"\xff", b"[" * 5000, b"null", b'"text"', b""])
def test_a_body_that_is_no_call_is_an_error_of_reading(tool: str, body: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        TYPES[tool].translate(body)


@pytest.mark.parametrize(
    ("tool", "body"),
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
def test_json_of_another_shape_is_told_apart(tool: str, body: Any) -> None:
    with pytest.raises((LookupError, TypeError, AttributeError)):
        translated(tool, body)
