"""What a company's config says of the tables of events: types, kinds of sources, what stays JSON.

Belongs here: reading it from the config, and turning a shape into one whose kept subtrees are single values. Pure. Does
not belong here: which column a path becomes (`columns`), SQL.

A subtree stays JSON text where the config says so (`event_tables.json_paths`), and in events of webhook sources where
an object stands below four keys: what tools send nests without end, and its keys are not the company's own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from headwater.configuration import Config, EventSource, KafkaSource, WebhookSource
from headwater.load.event_shape.planned import planned_types
from headwater.load.event_shape.shapes import SECTIONS, Path, Shape

DEEPEST = 5  # the section and four keys; RudderStack counts the levels below a section from 0 and stops at 3
CLOUD = "webhook"  # the kind of sources that RudderStack calls of category cloud


@dataclass(frozen=True)
class Rules:
    """Table → column → type as the tracking plan states it; source → kind; paths by type of event ("" is any)."""

    planned: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    json_paths: Collection[tuple[str, Path]] = ()
    has_full_event: bool = False

    def json_paths_of(self, kind: str) -> list[Path]:
        """Paths that stay JSON in events of this type."""
        return [path for of, path in self.json_paths if of in ("", kind)]

    def has_cloud(self) -> bool:
        """Whether any source is a SaaS tool that calls."""
        return CLOUD in self.kinds.values()


def rules_of(config: Config) -> Rules:
    """The rules that a config states."""
    kinds = {EventSource: "events", WebhookSource: CLOUD, KafkaSource: "kafka"}
    return Rules(
        planned_types(config.tracking_plan.values()),
        {name: kinds[type(source)] for name, source in config.sources.items() if type(source) in kinds},
        [_json_path(text) for text in config.platform.event_tables.json_paths],
        config.platform.event_tables.has_full_event,
    )


def kept_whole(shape: Shape, json_paths: Collection[Path], has_cloud: bool) -> Shape:
    """The shape with single values where a subtree stays JSON. Paths below the deepest stay beside: they are for the
    events of other sources."""
    found: Shape = {}
    for path, kinds in shape.items():
        whole = next((kept for kept in json_paths if path[: len(kept)] == kept), None)
        found.setdefault(whole or path, set()).update({"array"} if whole else kinds)
        if not whole and has_cloud and len(path) > DEEPEST:
            found.setdefault(path[:DEEPEST], set()).add("array")
    return found


def _json_path(text: str) -> tuple[str, Path]:
    first, *others = text.split(".")
    return ("", (first, *others)) if first in SECTIONS else (first, tuple(others))
