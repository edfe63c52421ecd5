"""Which events a destination's `stream:` settings let through.

Belongs here: that rule, for whoever applies it (`headwater.push`) or explains it (receipts). Does not belong here:
consent, integrations, privacy: they look into the event.
"""

from __future__ import annotations

from headwater.configuration import Config, Stream


class Selection:
    """One destination's `stream:` settings."""

    def __init__(self, stream: Stream) -> None:
        self._routes = frozenset(stream.routes or ("live", "import"))
        self._sources = frozenset(stream.sources)
        self._types, self._events = frozenset(stream.types), frozenset(stream.events)

    def reason(self, source: str, route: str, kind: str, event: str | None) -> str:
        """The key of `stream:` that keeps an event away (`routes`, `sources`, `types`, `events`); empty when nothing
        does. `events` limits tracks, and no other types, by name."""
        if route not in self._routes:
            return "routes"
        if self._sources and source not in self._sources:
            return "sources"
        if self._types and kind not in self._types:
            return "types"
        if self._events and kind == "track" and event not in self._events:
            return "events"
        return ""


def is_streaming(config: Config, destination: str) -> bool:
    """Whether events are delivered to it, now or once its file can be used."""
    decided = config.destinations.get(destination)
    return destination in config.unusable or (decided is not None and decided.stream is not None)


def kept_away(config: Config, destination: str, source: str, route: str, kind: str, event: str | None) -> str:
    """Why an event has no outcome of its own at a destination that is past it, in words for people."""
    if destination in config.unusable:
        return "its file cannot be used now, so why is not known"
    decided = config.destinations.get(destination)
    if decided is None or decided.stream is None:
        return "not configured any more"
    reason = Selection(decided.stream).reason(source, route, kind, event)
    if reason:
        return f"left out by stream.{reason} of destinations/{destination}.yaml"
    return "it came before this destination began, or while it was switched off"
