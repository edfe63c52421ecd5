"""`destinations/<name>.yaml`: a tool, which events it gets, and what it must not see.

Belongs here: what every type of destination has. Does not belong here: the `settings:` of one type (its class in
`headwater.push.destinations`), or which rows are synced to it (`syncs`).
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field


class Stream(Struct, forbid_unknown_fields=True):
    """Which events a streaming destination receives. Empty lists mean «all».

    Attributes:
        types, events, sources: only these; `events` limits tracks by name and leaves other types alone.
        routes: `live` events, imported history, or both.
        start: where a destination that is new begins: with the `oldest` event that the log still holds, or with what
            comes from `now` on. Decided when it is first seen; an edit of it later changes nothing.
        batch_size: fewer in one request than the class allows.
        give_up_after_hours: how long one request is tried before its events go to the dead letters.
    """

    types: list[str] = []
    events: list[str] = []
    sources: list[str] = []
    routes: list[Literal["live", "import"]] = field(default_factory=lambda: ["live"])
    start: Literal["oldest", "now"] = "oldest"
    batch_size: int | None = None
    give_up_after_hours: float = 72


class Consent(Struct, forbid_unknown_fields=True):
    """Categories (of `context.consent.categoryPreferences`) that a person must have allowed before an event goes there.

    `when_absent` decides for events that carry no preferences at all.
    """

    categories: list[str]
    require: Literal["all", "any"] = "all"
    when_absent: Literal["deliver", "withhold"] = "deliver"


class Privacy(Struct, forbid_unknown_fields=True):
    """What a destination must not see, by path (`properties.email`, `context.traits.*`) or by the plan's PII tag.

    `drop` removes, `mask` keeps the first letter and the length's stars, `hash` is SHA-256 of the trimmed lower-case
    text with `salt`.
    """

    drop: list[str] = []
    mask: list[str] = []
    hash: list[str] = []
    salt: str = ""


class Destination(Struct, forbid_unknown_fields=True):
    """`destinations/<name>.yaml`: a tool and how to reach it; `type` names a class of `push/destinations/`.

    Attributes:
        settings: what only this type knows (its class's `Settings`): keys, ids, event mapping.
        integrations_name: how senders call it in a message's `integrations` (default: the class's).
        transformations: files of `transformations/`, in order; see `headwater.policy.transform`.
        is_enabled: what is delivered before anybody switches it live.
        counts_url: where the tool reports what it has, as `[{"day", "event", "count"}]`, for `marts.reconciliation`.
    """

    type: str
    base_url: str = ""
    token: str = ""
    settings: dict[str, Any] = {}
    stream: Stream | None = None
    integrations_name: str = ""
    transformations: list[str] = []
    on_transformation_error: Literal["skip", "quarantine"] = "quarantine"
    consent: Consent | None = None
    privacy: Privacy | None = None
    is_enabled: bool = True
    rate_per_second: float | None = None
    counts_url: str = ""
    owner: str = ""
    description: str = ""
