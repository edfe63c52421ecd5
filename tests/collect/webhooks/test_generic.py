"""Any other tool's calls: the token in three places, the body as it came."""

from __future__ import annotations

from headwater.collect.webhooks import Call
from headwater.collect.webhooks.generic import Generic
from tests.collect.webhooks.calls import BODY, EMAIL_ID, NOW, SECRET, event


def test_any_tool_may_send_its_token_where_it_can() -> None:
    verify = Generic().verify
    assert verify(SECRET, Call({"x-webhook-token": SECRET}, BODY, NOW))
    assert verify(SECRET, Call({}, BODY, NOW, {"token": SECRET}))
    assert not verify(SECRET, Call({}, BODY, NOW, {"token": "guess"}))
    assert not verify(SECRET, Call({"authorization": "Bearer guess"}, BODY, NOW, {"token": SECRET}))
    assert verify("", Call({}, BODY, NOW))  # no secret in the config: anybody may


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
