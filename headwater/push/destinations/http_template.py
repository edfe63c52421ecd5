"""Any HTTP API, described in YAML: address, method, headers and body as templates, and how its answer is to be read.

Belongs here: what the settings mean. Does not belong here: filling a template (`headwater.push.templates`), or a tool
that needs code. Recipes are in `config/examples/destinations/`: segment_forward, posthog, iterable, mailchimp.

Templates are Jinja2 in its sandbox. They see `event` (the spec event), `item` (what `settings.item` made of it),
`events` and `items` (of the whole batch), `token`, `values` (of the settings), and the filters `json`, `base64`, `md5`,
`sha256`, `seconds`, `millis` (of a time), `without('a', …)` and `merged(…)` of objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

import msgspec

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import UnavailableError
from headwater.push import spec, templates
from headwater.push.destinations.base import (
    Answer,
    BatchRefusedError,
    Call,
    EventDestination,
    Outcome,
    Request,
    StreamEvent,
    Streaming,
)

_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded", "ndjson": "application/x-ndjson"}


class Errors(msgspec.Struct, forbid_unknown_fields=True):
    """Where a successful answer names the events that it refused: `list` is an expression of the list in `answer.json`,
    the others are expressions of one `error` in it. An event is found by `index`; or by `key`, whose value is that of
    `event_key` (an expression of the event)."""

    list: str
    index: str = ""
    key: str = ""
    event_key: str = "event.messageId"
    code: str = "error.code"
    message: str = "error.message"


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """What one API needs.

    Attributes:
        path: template, put behind `base_url`; `{{ … | urlencode }}` where an id may hold anything. Events of one batch
            whose method, path or headers differ go in requests of their own, in order.
        method: template; POST, PUT, PATCH or GET.
        headers: templates by name.
        item: what one event becomes: JSON with templates for its texts, where a text that is one `{{ expression }}`
            keeps the value's type and is left out when there is none. Default: the event.
        by_type: what stands in place of `item` for a type (`identify: {…}`).
        body: the request's body, alike; by default the item itself or, with a batch, the list of items.
        format: how the body is written: `json`, `form` (the fields of an object), `ndjson` (one item a line).
        batch_size, batch_bytes: events in one request and their JSON's bytes at most.
        rate_per_second: may be said here or beside the settings.
        when: expression of `event`; where it is false the event is filtered as unsupported.
        tool_event: template of what the tool calls the event.
        success: expression of `answer` (status, json, text, headers); default: any 2xx.
        refused: expression of `answer` that says «not these events», for what would else count as down (a 404 because
            the person is not there); other 4xx are refusals anyway.
        retry: expression of `answer` that says «busy, ask again»; beside 429, 408 and 5xx.
        errors: where a successful answer names those events that it refused.
        accept_html: an answer in HTML is the API's own; by default it is a proxy's or log-in page: not delivered.
        values: anything that the templates use.
    """

    path: str = ""
    method: str = "POST"
    headers: dict[str, str] = {}
    item: Any = None
    by_type: dict[str, Any] = {}
    body: Any = None
    format: Literal["json", "form", "ndjson"] = "json"
    batch_size: int = 1
    batch_bytes: int = 500_000
    when: str = ""
    tool_event: str = ""
    success: str = ""
    refused: str = ""
    retry: str = ""
    errors: Errors | None = None
    accept_html: bool = False
    values: dict[str, Any] = {}


class HttpTemplate(EventDestination):
    """`<method> <base_url><path>`, all of it by the settings. `integrations` name: the destination's own."""

    type = "http_template"
    Settings: ClassVar[Any] = Settings
    streaming = Streaming(batch_size=1)
    rate_per_second = 10.0

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__(config)
        given: Settings = self.settings
        self.streaming = Streaming(given.batch_size, given.batch_bytes)  # type: ignore[misc]
        self.takes_pages = given.accept_html
        self._path = templates.text(given.path, "settings.path")
        self._headers = {
            name: templates.text(value, f"settings.headers.{name}") for name, value in given.headers.items()
        }
        self._item = templates.structure("{{ event }}" if given.item is None else given.item, "settings.item")
        self._by_type = {
            kind: templates.structure(source, f"settings.by_type.{kind}") for kind, source in given.by_type.items()
        }
        self._method = templates.text(given.method, "settings.method")
        alone = "{{ item }}" if given.batch_size == 1 and given.format != "ndjson" else "{{ items }}"
        self._body = templates.structure(alone if given.body is None else given.body, "settings.body")
        self._when = templates.expression(given.when or "true", "settings.when")
        self._tool_event = templates.text(given.tool_event, "settings.tool_event")
        self._success = templates.expression(given.success or "200 <= answer.status < 300", "settings.success")
        self._refused = templates.expression(given.refused or "false", "settings.refused")
        self._retry = templates.expression(given.retry or "false", "settings.retry")
        found = given.errors or Errors(list="[]")
        self._errors = templates.expression(found.list, "settings.errors.list")
        self._event_key = templates.expression(found.event_key, "settings.errors.event_key")
        self._error = {
            name: templates.expression(getattr(found, name) or "none", f"settings.errors.{name}")
            for name in ("index", "key", "code", "message")
        }

    def unsupported(self, payload: Mapping[str, Any]) -> str:
        return "" if self._when(self._about(payload)) else f"settings.when ({self.settings.when}) is false"

    def tool_event(self, payload: Mapping[str, Any]) -> str:
        return self._tool_event(self._about(payload)).strip() or spec.event_name(payload)

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        groups: list[tuple[Any, list[int]]] = []
        for place, event in enumerate(events):
            target = self._target(event.payload)
            if groups and groups[-1][0] == target and len(groups[-1][1]) < self.streaming.batch_size:
                groups[-1][1].append(place)
            else:
                groups.append((target, [place]))
        return [self._call(target, [events[place].payload for place in places], places) for target, places in groups]

    def call_outcomes(self, call: Call, answer: Answer) -> list[Outcome]:
        about = {"answer": _told(answer)}
        if not self._success(about):
            raise BatchRefusedError(str(answer.status), answer.text or str(answer.status))
        outcomes = [Outcome(True, str(answer.status), answer.text)] * len(call.events)
        keys = call.keys if isinstance(call, _KeyedCall) else ()
        for error in self._errors(about) or []:
            one = {"error": error, **about}
            wanted = str(self._error["key"](one)) if keys else self._error["index"](one)
            places = [place for place, key in enumerate(keys or range(len(outcomes))) if key == wanted]
            if not places or isinstance(wanted, bool):
                raise UnavailableError(f"{self.base_url} refused events without saying which: {answer.text}")
            code = str(self._error["code"](one) or answer.status)
            message = str(self._error["message"](one) or code)
            for place in places:
                outcomes[place] = Outcome(False, code, message, self.is_transient(code))
        return outcomes

    def is_readable(self, answer: Answer) -> bool:
        about = {"answer": _told(answer)}
        return 200 <= answer.status < 300 or bool(self._success(about) or self._refused(about))

    def wait_seconds(self, answer: Answer) -> float | None:
        return 1.0 if self._retry({"answer": _told(answer)}) else None

    def _target(self, payload: Mapping[str, Any]) -> tuple[str, str, dict[str, str]]:
        """Method, address and headers of the request for an event."""
        about = self._about(payload)
        headers = {"Content-Type": _TYPES[self.settings.format], "Accept": "application/json"}
        if self.config.token and not any(name.lower() == "authorization" for name in self._headers):
            headers["Authorization"] = f"Bearer {self.config.token}"
        headers |= {name: _line(fill(about)) for name, fill in self._headers.items()}
        method = self._method(about).strip().upper()
        if method not in ("POST", "PUT", "PATCH", "GET"):
            raise ValueError(f"settings.method: «{method}» is none of POST, PUT, PATCH, GET")
        return method, f"{self.base_url}{_line(self._path(about))}", {n: value for n, value in headers.items() if value}

    def _call(
        self, target: tuple[str, str, dict[str, str]], payloads: Sequence[Mapping[str, Any]], places: Sequence[int]
    ) -> Call:
        method, url, headers = target
        items = [self._by_type.get(str(payload.get("type")), self._item)(self._about(payload)) for payload in payloads]
        about = self._about(payloads[0]) | {"events": list(payloads), "items": items, "item": items[0]}
        request = Request(method, url, headers, b"" if method == "GET" else self._bytes(self._body(about)))
        if self.settings.errors and self.settings.errors.key:
            return _KeyedCall(request, tuple(places), tuple(str(self._event_key({"event": one})) for one in payloads))
        return Call(request, tuple(places))

    def _bytes(self, body: Any) -> bytes:
        if self.settings.format == "json":
            return templates.encoded(body)
        if self.settings.format == "ndjson":
            return b"".join(templates.encoded(item) + b"\n" for item in (body if isinstance(body, list) else [body]))
        if not isinstance(body, Mapping):
            raise ValueError("settings.body must be an object where format is form")
        return urlencode({name: _field(value) for name, value in body.items()}).encode()

    def _about(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        return {"event": payload, "token": self.config.token, "values": self.settings.values}


@dataclass(frozen=True)
class _KeyedCall(Call):
    """A call that remembers by what an answer names its events, in order."""

    keys: tuple[str, ...]


def _told(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "json": answer.json, "text": answer.text, "headers": dict(answer.headers)}


def _line(value: str) -> str:
    """One line of visible ASCII, as addresses and headers must be; anything else is percent-encoded."""
    return "".join(c if "!" <= c <= "~" or c == " " else "".join(f"%{b:02X}" for b in c.encode("utf-8", "replace"))
                   for c in value.strip())  # fmt: skip


def _field(value: Any) -> str:
    return value if isinstance(value, str) else templates.encoded(value).decode()
