"""Zendesk's calls as its documentation shows them."""

from __future__ import annotations

from typing import Any

from tests.collect.webhooks.calls import event, no_event


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


def test_a_call_that_is_no_event_is_told_with_what_it_was() -> None:
    assert no_event("zendesk", zendesk("tags_changed", {})) == "no event for ticket.tags_changed"
