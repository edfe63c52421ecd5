"""A stand-in of Amplitude's HTTP V2 API.

As the real one it refuses a batch with one bad event whole, naming the events at fault by field and index; it throttles
a user who sends too fast and names those over their daily quota. An event is known again by device and `insert_id`.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.standins.base import Handler, Standin, read_json
from sandbox.standins.memory import Memory

API_KEY = "sandbox_demo"
WINDOW = 30.0
NOBODY = {"anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "-1", "0", "true", "false"}
LATEST_MS = 4_102_444_800_000


class Amplitude(Standin):
    """`POST /2/httpapi`. Of one user: `eps_threshold` events a second over half a minute, `daily_quota` a day."""

    name = "amplitude"
    title = "Amplitude"
    largest_body = 1_000_000
    eps_threshold: ClassVar[int] = 30
    daily_quota: ClassVar[int] = 500_000

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self._recent: dict[str, deque[tuple[float, int]]] = {}
        self._today: Counter[tuple[str, int]] = Counter()

    def paths(self) -> list[tuple[str, str, Handler]]:
        return [("POST", "/2/httpapi", self.upload)]

    def rate_limited(self, seconds: float) -> Response:
        return JSONResponse({"code": 429, "error": "Too many requests"}, 429)

    def too_large(self) -> Response:
        return JSONResponse({"code": 413, "error": "Payload too large"}, 413)

    def upload(self, _: Request, body: bytes) -> Response:
        """All or nothing."""
        sent = read_json(body)
        if not isinstance(sent, dict):
            return _refuse("Invalid JSON request body")
        if "api_key" not in sent:
            return _refuse("Request missing required field", missing_field="api_key")
        if sent["api_key"] != API_KEY:
            return _refuse(f"Invalid API key: {sent['api_key']}")
        events = sent.get("events")
        if not isinstance(events, list) or not events:
            return _refuse("Request missing required field", missing_field="events")
        if len(events) > 2000:
            return self.too_large()
        faults = _faults(events, int((sent.get("options") or {}).get("min_id_length", 5)))
        if faults:
            return _refuse(faults.pop("error"), **faults)
        limited = self._limits(events)
        if limited is not None:
            return limited
        self.keep([(e["event_type"], f"{e.get('device_id')}:{e['insert_id']}" if e.get("insert_id") else None,
                    e.get("user_id") or e.get("device_id"), e) for e in events])  # fmt: skip
        return JSONResponse({
            "code": 200, "events_ingested": len(events), "payload_size_bytes": len(body),
            "server_upload_time": int(time.time() * 1000),
        })  # fmt: skip

    def _limits(self, events: list[dict[str, Any]]) -> Response | None:
        now = time.monotonic()
        counts = Counter(str(event.get("user_id") or event.get("device_id")) for event in events)
        day = int(time.time() // 86400)
        spent = {
            who: self._today[who, day] + n for who, n in counts.items() if self._today[who, day] + n > self.daily_quota
        }
        if spent:
            devices = {event["device_id"]: spent[event["device_id"]] for event in events
                       if not event.get("user_id") and event.get("device_id") in spent}  # fmt: skip
            users = {who: n for who, n in spent.items() if who not in devices}
            return JSONResponse({
                "code": 429, "error": "Too many requests for some devices and users",
                "eps_threshold": self.eps_threshold, "throttled_devices": {}, "throttled_users": {},
                "exceeded_daily_quota_users": users, "exceeded_daily_quota_devices": devices,
            }, 429)  # fmt: skip
        fast = {}
        for who, count in counts.items():
            recent = self._recent.setdefault(who, deque())
            while recent and recent[0][0] < now - WINDOW:
                recent.popleft()
            rate = (sum(n for _, n in recent) + count) / WINDOW
            if rate > self.eps_threshold:
                fast[who] = int(rate)
        if fast:
            throttled = [
                place for place, event in enumerate(events) if (event.get("user_id") or event.get("device_id")) in fast
            ]
            return JSONResponse({
                "code": 429, "error": "Too many requests for some devices and users",
                "eps_threshold": self.eps_threshold, "throttled_users": fast, "throttled_devices": {},
                "throttled_events": throttled,
            }, 429)  # fmt: skip
        for who, count in counts.items():
            self._recent[who].append((now, count))
            self._today[who, day] += count
        return None


def _faults(events: list[Any], shortest: int) -> dict[str, Any]:
    invalid: dict[str, list[int]] = {}
    missing: dict[str, list[int]] = {}
    lengths: dict[str, list[int]] = {}
    for place, event in enumerate(events):
        if not isinstance(event, dict):
            invalid.setdefault("event", []).append(place)
            continue
        if not isinstance(event.get("event_type"), str) or not event["event_type"]:
            missing.setdefault("event_type", []).append(place)
        if not event.get("user_id") and not event.get("device_id"):
            missing.setdefault("user_id", []).append(place)
        for name in ("user_id", "device_id"):
            known = event.get(name)
            if known is None:
                continue
            if not isinstance(known, str) or known.lower() in NOBODY:
                invalid.setdefault(name, []).append(place)
            elif len(known) < shortest:
                lengths.setdefault(name, []).append(place)
        for name, kinds in (("time", int), ("session_id", int), ("revenue", (int, float)), ("price", (int, float)),
                            ("quantity", int), ("event_properties", dict), ("user_properties", dict),
                            ("groups", dict), ("group_properties", dict)):  # fmt: skip
            value = event.get(name)
            if name in event and (not isinstance(value, kinds) or isinstance(value, bool)):
                invalid.setdefault(name, []).append(place)
        at = event.get("time")
        if isinstance(at, int) and not 0 <= at < LATEST_MS:
            invalid.setdefault("time", []).append(place)
    if not (invalid or missing or lengths):
        return {}
    if lengths and not (invalid or missing):
        return {"error": "Invalid id length for user_id or device_id", "events_with_invalid_id_lengths": lengths}
    return {
        "error": "Request missing required field" if missing else "Invalid field values on some events",
        "events_with_invalid_fields": invalid,
        "events_with_missing_fields": missing,
        "events_with_invalid_id_lengths": lengths,
    }


def _refuse(error: str, **more: Any) -> Response:
    return JSONResponse({"code": 400, "error": error, **more}, 400)
