"""What a destination class is: capabilities as data, requests out, outcomes in. No I/O.

Belongs here: the contract that every class under this folder keeps; `tests/contracts/test_destinations.py` holds each
registered one to it. Does not belong here: sending, waiting, retrying (`headwater.push.sender`), or which rows and
events (`headwater.push.sync`, `headwater.push.stream`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import ConfigError, UnavailableError
from headwater.push.spec import event_name

ANSWER_BYTES = 1_000_000
TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Request:
    """One HTTP request, exactly as it goes out."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the body as JSON (`None` when it is not), its beginning as text, and the headers by
    lower-case name."""

    status: int
    json: Any
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What the tool said about one record. A transient refusal may pass as it is; another needs other data."""

    is_accepted: bool
    code: str = ""
    message: str = ""
    is_transient: bool = False


@dataclass(frozen=True)
class Record:
    """One row of a sync: its key, as text, and the fields as a JSON object (the key's own field among them)."""

    key: str
    fields: msgspec.Raw


@dataclass(frozen=True)
class StreamEvent:
    """One event on its way to a tool: completed, transformed, and without what the tool must not see.

    `payload` is the event under the spec's names; classes only read it. `body` is the same as JSON.
    """

    message_id: str
    source: str
    payload: dict[str, Any]
    body: msgspec.Raw


@dataclass(frozen=True)
class Call:
    """One HTTP request and the events (by index in the batch) that it carries. An event that several calls carry is
    accepted when all of them accept it."""

    request: Request
    events: tuple[int, ...]


class BatchRefusedError(Exception):
    """A batch was refused as a whole, for what is in it.

    Args:
        code: the tool's own code.
        message: its words.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class NoSettings(msgspec.Struct, forbid_unknown_fields=True):
    """A class that needs no settings."""


@dataclass(frozen=True)
class SyncObject:
    """What a class can do with one kind of object.

    Attributes:
        batch_size: records in one request at most.
        identifiers: fields by which the tool finds a record; the sync's key must be mapped to one of them.
        modes: how records may be written.
    """

    batch_size: int
    identifiers: tuple[str, ...]
    modes: tuple[str, ...] = ("upsert",)


@dataclass(frozen=True)
class Streaming:
    """What a class can do with events: how many in one request, and how many bytes of JSON; how many seconds it is
    worth waiting for more of them."""

    batch_size: int
    batch_bytes: int = 500_000
    linger_seconds: float = 0.0


class Destination(ABC):
    """A tool. A class of one is a `RecordDestination`, an `EventDestination` or both; it sets the data, and writes and
    reads one request's JSON.

    Class attributes are the capabilities: `type` is its name in YAML, `integrations_name` the one in a message's
    `integrations`, `default_url` the address where `base_url` names none (one, or by `settings.region`), `Settings` the
    shape of `settings:` in YAML, `objects` what syncs may write, `streaming` how events go out (`None`: they do not),
    `rate_per_second` the requests a second that the tool allows, `token_in` where its API wants the token (it stands
    nowhere else), `knows_repeats` that it counts an event that comes again once, `counted_types` the types of events of
    which its own report has as many, under one name, as it was given (a profile may be updated by several requests, or
    by none), `answer_bytes` how much of an answer is read at most beside four times what was sent, `takes_pages` that
    an answer in HTML may be the tool's own (else it is a proxy's or a log-in page, whatever its status, and nothing
    counts as accepted).

    Args:
        config: `destinations/<name>.yaml`.

    Raises:
        ConfigError: the settings do not fit; names the valid ones.
    """

    type: ClassVar[str]
    integrations_name: ClassVar[str] = ""
    default_url: ClassVar[str | Mapping[str, str]] = ""
    Settings: ClassVar[Any] = NoSettings
    objects: ClassVar[dict[str, SyncObject]] = {}
    streaming: ClassVar[Streaming | None] = None
    rate_per_second: ClassVar[float] = 10.0
    token_in: ClassVar[str] = "header"  # noqa: S105 - body, query, url; several with blanks between
    knows_repeats: ClassVar[bool] = True
    answer_bytes: ClassVar[int] = ANSWER_BYTES
    takes_pages: bool = False
    counted_types: ClassVar[tuple[str, ...]] = ("track",)

    def __init__(self, config: DestinationConfig) -> None:
        self.config = config
        self.rate = config.rate_per_second or self.rate_per_second
        try:
            self.settings = msgspec.convert(config.settings, self.Settings)
        except msgspec.ValidationError as error:
            valid = ", ".join(f.encode_name for f in msgspec.structs.fields(self.Settings)) or "none"
            raise ConfigError(
                f"settings of a destination of type {self.type}: {error}. Valid keys: {valid}."
            ) from error
        there = self.default_url
        self.base_url = config.base_url.rstrip("/") or (
            there if isinstance(there, str) else there[self.settings.region]
        )

    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.config.token:
            headers["Authorization"] = f"Bearer {self.config.token}"
        return headers

    def login(self) -> Request | None:
        """The request that fetches a fresh access token (OAuth 2, RFC 6749: JSON with `access_token` and perhaps
        `expires_in`), or `None`: the credentials in the config are sent as they are.

        The sender (`push.oauth`) sends it when there is no token or the tool no longer takes the one there is, and
        puts `Authorization: Bearer …` on every other request.
        """
        return None

    def outcomes(self, answer: Answer, count: int) -> list[Outcome]:
        """The outcome of each of the `count` records or events of a request that was answered with 2xx.

        The tool's `errors` name records by `index`; all others are accepted.

        Raises:
            UnavailableError: the answer cannot be read, or the tool's own count of what it accepted is another, so
                nothing may be taken as accepted.
        """
        if not isinstance(answer.json, dict):
            raise UnavailableError(f"{self.base_url} answered {answer.status} with something that is not JSON.")
        outcomes = [Outcome(True, str(answer.status))] * count
        for error in answer.json.get("errors") or []:
            index = error.get("index") if isinstance(error, dict) else None
            if not isinstance(index, int) or not 0 <= index < count:
                raise UnavailableError(f"{self.base_url} refused records without saying which: {answer.text}")
            code = str(error.get("code") or answer.status)
            outcomes[index] = Outcome(False, code, str(error.get("message") or code), self.is_transient(code))
        accepted, said = sum(o.is_accepted for o in outcomes), self.accepted_count(answer)
        if said is not None and said != accepted:
            raise UnavailableError(f"{self.base_url} says it accepted {said} records; its errors leave {accepted}.")
        return outcomes

    def accepted_count(self, answer: Answer) -> int | None:
        """The tool's own count of what it accepted, where its answer gives one."""
        return None

    def is_transient(self, code: str) -> bool:
        """Whether a refusal of one record may pass by itself."""
        return code.isdigit() and int(code) in TRANSIENT_STATUS

    def _post(self, path: str, body: object) -> Request:
        return Request("POST", f"{self.base_url}{path}", self.headers(), msgspec.json.encode(body))


class RecordDestination(Destination):
    """A tool that rows can be synced to, one request for many of them."""

    objects: ClassVar[dict[str, SyncObject]]

    @abstractmethod
    def sync_request(self, object_: str, id_field: str, records: Sequence[Record]) -> Request:
        """The request that upserts these records, at most `objects[object_].batch_size` of them."""


class Streamed(Destination):
    """A tool that events can be streamed to, by HTTP (`EventDestination`) or by its own protocol (`Direct`)."""

    streaming: ClassVar[Streaming]

    def unsupported(self, payload: Mapping[str, Any]) -> str:
        """Why the tool cannot take this event at all (it is then filtered, not refused); empty when it can."""
        return ""

    def tool_event(self, payload: Mapping[str, Any]) -> str:
        """What the tool calls this event in its own reports: `purchase` for `Order Completed` in GA4. By default as it
        came: a track's name, or the type."""
        return event_name(payload)


class EventDestination(Streamed):
    """A tool that takes events by HTTP."""

    @abstractmethod
    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        """The requests that deliver these events, in the order in which they must go out.

        At most `streaming.batch_size` events are given; none of them is `unsupported`. May raise `ValueError` for a
        batch of one event whose values the tool cannot take: it is then refused with those words.
        """

    def call_outcomes(self, call: Call, answer: Answer) -> list[Outcome]:
        """The outcome of each event of `call.events`, in their order.

        Raises:
            UnavailableError: the answer cannot be read, so nothing may be taken as accepted.
            BatchRefusedError: it says, with 2xx, that the call was refused; it is split until one at fault is alone.
        """
        return self.outcomes(answer, len(call.events))

    def follow_up(self, call: Call, answer: Answer) -> Call | None:
        """What must still be sent, for the same events, after a readable answer («exists already, as number 7»: then
        update number 7). Its answer is then read in place of this one; `None`: `call_outcomes` tells."""
        return None

    def is_readable(self, answer: Answer) -> bool:
        """Whether `call_outcomes` reads this answer. By default 2xx; a tool that names the refused records of a batch
        in a 400 says so here. Any other 4xx refuses the whole request: it is split until the one at fault is alone."""
        return 200 <= answer.status < 300

    def wait_seconds(self, answer: Answer) -> float | None:
        """How long the tool asks to wait before the same request, when it says so in its own way (not by
        `Retry-After`), or `None`. A number also makes a 4xx mean «busy», not «refused»."""
        return None


class BatchDestination(EventDestination):
    """A tool that takes a batch of events as they are, in one request."""

    @abstractmethod
    def stream_request(self, events: Sequence[msgspec.Raw]) -> Request:
        """The request that delivers these events, at most `streaming.batch_size` of them."""

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        """One request for all of them."""
        return [Call(self.stream_request([event.body for event in events]), tuple(range(len(events))))]


class Direct(Streamed):
    """A store or bus that takes events by its own protocol. The one kind of class that does I/O, in these methods.

    The engine calls `open` before the first `write` and after an `UnavailableError`, and `close` at the end.
    """

    @abstractmethod
    def open(self) -> None:
        """Connect.

        Raises:
            UnavailableError: it does not answer.
            ConfigError: it does not accept our credentials, or an optional package is not installed.
        """

    @abstractmethod
    def write(self, events: Sequence[StreamEvent]) -> list[Outcome]:
        """Deliver these events and answer when they are safe there; writing them again must change nothing.

        Raises:
            UnavailableError: it does not answer; none may be taken as accepted.
            BatchRefusedError: it refused the batch for what is in it; it is split until the one at fault is alone.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the connection back; also after a failure."""
