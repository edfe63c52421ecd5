"""A CRM's workflows that call with what changed."""

from __future__ import annotations

from headwater.collect.webhooks import Unreadable
from tests.collect.webhooks.calls import translated


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
