"""What a destination must not see, it does not see."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

from headwater.configuration import PlannedEvent, Privacy
from headwater.policy.privacy import Redactor


def event(**more: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": "u1",
        "properties": {"email": " Ana@Example.org ", "total": 12, "products": [{"note": "a"}, {"note": "b", "n": 1}]},
        "context": {"traits": {"email": "Ana@Example.org", "phone": "+49 1"}, "ip": "1.2.3.4"},
        **more,
    }


def test_paths_are_dropped_masked_and_hashed_and_the_original_stays_as_it_was() -> None:
    given = event()
    before = copy.deepcopy(given)
    rules = Privacy(drop=["context.traits.*"], mask=["context.ip"], hash=["properties.email", "userId"], salt="s")
    seen = Redactor(rules, {}).apply(given)
    assert seen["context"] == {"traits": {}, "ip": "1******"}
    assert seen["properties"]["email"] == hashlib.sha256(b"sana@example.org").hexdigest()
    assert seen["userId"] == hashlib.sha256(b"su1").hexdigest()
    assert seen["properties"]["total"] == 12
    assert given == before


def test_lists_are_gone_through() -> None:
    seen = Redactor(Privacy(drop=["properties.products.note"]), {}).apply(event())
    assert seen["properties"]["products"] == [{}, {"n": 1}]


def test_tags_of_the_plan_find_their_fields_in_each_event_and_in_the_traits_that_travel_along() -> None:
    plan = {
        "order": PlannedEvent(event="Order Completed", pii={"email": "email", "products.note": "text"}),
        "other": PlannedEvent(event="Other", pii={"total": "email"}),
        "identify": PlannedEvent(type="identify", pii={"phone": "phone", "email": "email"}),
    }
    redactor = Redactor(Privacy(drop=["email"], mask=["text", "phone"]), plan)
    seen = redactor.apply(event())
    assert seen["properties"] == {"total": 12, "products": [{"note": "a"}, {"note": "b", "n": 1}]}
    assert seen["context"]["traits"] == {"phone": "+****"}
    person = redactor.apply({"type": "identify", "userId": "u", "traits": {"email": "a@x.y", "phone": "12", "age": 3}})
    assert person["traits"] == {"phone": "1*", "age": 3}


def test_nothing_is_never_hashed_and_numbers_are_hashed_as_text() -> None:
    redactor = Redactor(Privacy(hash=["a", "b", "c", "d", "e"]), {})
    seen = redactor.apply({"a": "", "b": None, "c": "  ", "d": 17, "e": {"x": ["Y", None]}})
    assert (seen["a"], seen["b"], seen["c"]) == ("", None, "  ")
    assert seen["d"] == hashlib.sha256(b"17").hexdigest()
    assert seen["e"] == {"x": [hashlib.sha256(b"y").hexdigest(), None]}


def test_what_is_dropped_is_not_masked_and_paths_that_lead_nowhere_change_nothing() -> None:
    given = event()
    seen = Redactor(Privacy(drop=["userId"], mask=["userId", "properties.total.deep", "no.such"]), {}).apply(given)
    assert "userId" not in seen
    assert seen["properties"] is given["properties"]
    assert Redactor(None, {}).apply(given) is given
