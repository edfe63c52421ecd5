"""What a destination must not see of an event: fields removed, masked or hashed.

Belongs here: applying a destination's privacy rules to one event. Does not belong here: which fields are personal (the
tracking plan's PII tags), or the hashes that ad platforms ask for (`headwater.push.hashing`). Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from headwater.configuration import PlannedEvent, Privacy

Change = Callable[[Any], Any]
_NO_MORE = object()


class Redactor:
    """The privacy rules of one destination.

    Args:
        privacy: rules by path (`properties.email`, `context.traits.*`; lists are gone through) or by PII tag.
        plan: the tracking plan, whose `pii:` ties tags to paths.
    """

    def __init__(self, privacy: Privacy | None, plan: Mapping[str, PlannedEvent]) -> None:
        privacy = privacy or Privacy()
        tags = {tag for planned in plan.values() for tag in planned.pii.values()}
        # a field that several rules name is dropped rather than hashed, hashed rather than masked
        rules: list[tuple[str, Change]] = [
            *((name, _drop) for name in privacy.drop),
            *((name, lambda value: _hash(value, privacy.salt)) for name in privacy.hash),
            *((name, _mask) for name in privacy.mask),
        ]
        self._always = [(tuple(name.split(".")), change) for name, change in rules if name not in tags]
        self._tagged: dict[tuple[str, str], list[tuple[tuple[str, ...], Change]]] = {}
        for name, change in rules:
            if name in tags:
                for planned in plan.values():
                    self._add_tagged(planned, name, change)

    def apply(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The event as the destination may see it; `payload` itself is not changed."""
        kind = str(payload.get("type"))
        rules = [*self._always, *self._tagged.get((kind, ""), ())]
        name = payload.get("event") if kind == "track" else payload.get("name")
        if isinstance(name, str) and name:
            rules += self._tagged.get((kind, name), ())
        rules += self._tagged.get(("traits", ""), ())
        done: set[tuple[str, ...]] = set()
        for path, change in rules:
            if path not in done:
                done.add(path)
                payload = _applied(payload, path, change)
        return payload

    def _add_tagged(self, planned: PlannedEvent, tag: str, change: Change) -> None:
        paths = [tuple(path.split(".")) for path, found in planned.pii.items() if found == tag]
        for path in paths:
            if planned.type in ("identify", "group"):
                self._tagged.setdefault((planned.type, ""), []).append((("traits", *path), change))
                if planned.type == "identify":  # a person's traits travel with every event
                    self._tagged.setdefault(("traits", ""), []).append((("context", "traits", *path), change))
            else:
                key = (planned.type, planned.event)
                self._tagged.setdefault(key, []).append((("properties", *path), change))


def _applied(value: Any, path: tuple[str, ...], change: Change) -> Any:
    """A copy of `value` in which what stands at `path` is changed; `value` itself where nothing does."""
    if isinstance(value, list):
        changed = [_applied(item, path, change) for item in value]
        return changed if any(new is not old for new, old in zip(changed, value, strict=True)) else value
    if not isinstance(value, Mapping):
        return value
    step, rest = path[0], path[1:]
    copy = None
    for key in list(value) if step == "*" else [step] if step in value else []:
        old = value[key]
        new = _applied(old, rest, change) if rest else change(old)
        if new is not old:
            copy = dict(value) if copy is None else copy
            if new is _NO_MORE:
                del copy[key]
            else:
                copy[key] = new
    return value if copy is None else copy


def _drop(_: Any) -> Any:
    return _NO_MORE


def _mask(value: Any) -> Any:
    """The first letter and as many stars as there were other characters; inside objects and lists too."""
    if isinstance(value, Mapping):
        return {key: _mask(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask(item) for item in value]
    text = _text(value)
    return value if not text else text[0] + "*" * (len(text) - 1)


def _hash(value: Any, salt: str) -> Any:
    """SHA-256 as lower-case hex of the salt and the trimmed lower-case text; nothing stays nothing."""
    if isinstance(value, Mapping):
        return {key: _hash(item, salt) for key, item in value.items()}
    if isinstance(value, list):
        return [_hash(item, salt) for item in value]
    text = _text(value).strip().lower()
    return hashlib.sha256((salt + text).encode("utf-8", "surrogatepass")).hexdigest() if text else value


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return ""
    return value if isinstance(value, str) else str(value)
