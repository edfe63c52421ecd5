"""`tracking_plan/`: the events that the company agreed on, and what becomes of others.

Belongs here: events, their rules and policies. Does not belong here: checking them (`headwater.policy`).
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

Action = Literal["forward", "drop", "quarantine"]
Violation = Literal["unplanned_event", "missing_required", "wrong_type", "additional_property", "rule", "unknown"]


class PlannedEvent(Struct, forbid_unknown_fields=True):
    """`tracking_plan/<event>.yaml`: an event that the company agreed on.

    Attributes:
        event: the name of a track (or of a page or screen; empty for identify and group).
        schema: JSON Schema (draft 2020-12) of `properties`, for identify and group of the traits.
        pii: property path → tag (`email`, `phone`, `name`, …).
        on_violation: what becomes of an event that violates, by kind of violation; what is not named here follows
            the plan's own (`tracking_plan/_plan.yaml`).
        examples: objects that fit the schema; `headwater plan check` tries them.
    """

    event: str = ""
    owner: str = ""
    description: str = ""
    type: Literal["track", "identify", "group", "page", "screen"] = "track"
    schema: dict[str, Any] = {}
    pii: dict[str, str] = {}
    on_violation: dict[Violation, Action] = {}
    examples: list[dict[str, Any]] = []


class Plan(Struct, forbid_unknown_fields=True):
    """`tracking_plan/_plan.yaml`: what holds for every event.

    Attributes:
        on_violation: by kind of violation; what is not named is forwarded.
        event_pattern, property_pattern: how names are written (regular expressions that must match whole).
    """

    on_violation: dict[Violation, Action] = {}
    event_pattern: str = ""
    property_pattern: str = ""
