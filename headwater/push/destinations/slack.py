"""Slack: events as messages in a channel, in words of your own.

Belongs here: templates, one message's JSON, the webhook's plain-text errors. Does not belong here: sending.

By Slack's pages «Sending messages using incoming webhooks», «Rate limits» and «Formatting text for app surfaces»:
`POST https://hooks.slack.com/services/T…/B…/…` (the address is the secret) with `text`, `blocks` or both; 200 `ok`,
else a status and one word: 400 `invalid_payload`, `no_text`, `invalid_blocks`; 403 `action_prohibited`; 404
`no_service`, `channel_not_found`; 410 `channel_is_archived`. One message a second; 429 with `Retry-After`. A text has
at most 40,000 characters, one in a block 3,000, a message 50 blocks. `&`, `<` and `>` of values must be written as
entities. Slack knows no message again: one repeated after a lost answer appears twice.

Read there (and in the changelog of 2016-05-17, «Improving error conditions for Incoming Webhooks»): one message a
second; `invalid_payload`, `user_not_found`, `action_prohibited`, `channel_not_found`, `channel_is_archived` and their
statuses. From memory, not verified here: the other words, the lengths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from jinja2 import ChainableUndefined, TemplateError, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import ConfigError, UnavailableError
from headwater.push import mapping, spec
from headwater.push.destinations.base import (
    TRANSIENT_STATUS,
    Answer,
    Call,
    EventDestination,
    Outcome,
    StreamEvent,
    Streaming,
)

TEXT = """*{{ event }}* by {{ traits.email or user_id or anonymous_id }}\
{% for name, value in properties.items() if value is string or value is number %}
• {{ name }}: {{ value }}{% endfor %}"""
"""What is said where the settings say nothing."""

LONGEST_TEXT, LONGEST_BLOCK_TEXT, MOST_BLOCKS = 40_000, 3_000, 50
MESSAGE_FAULTS = frozenset({"invalid_payload", "no_text", "invalid_blocks", "invalid_blocks_format", "msg_too_long",
                            "too_many_attachments", "user_not_found"})  # fmt: skip
PLACE_FAULTS = frozenset({"action_prohibited", "channel_is_archived", "channel_not_found", "invalid_token",
                          "no_active_hooks", "no_service", "no_service_id", "no_team",
                          "posting_to_general_channel_denied", "team_disabled"})  # fmt: skip
_TEMPLATE_FAULTS = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)


class Message(msgspec.Struct, forbid_unknown_fields=True):
    """A message's template.

    Attributes:
        text: Jinja2 over `event`, `type`, `properties`, `traits`, `context`, `user_id`, `anonymous_id`, `timestamp` and
            the whole `payload`. Where it renders to nothing the event is not sent, so `{% if %}` chooses. Values are
            made safe for Slack's markup; `| unescaped` leaves them.
        blocks: Block Kit, each of whose texts is such a template.
    """

    text: str = ""
    blocks: list[dict[str, Any]] = []


class SlackSettings(Message, forbid_unknown_fields=True, kw_only=True):
    """Settings of Slack.

    Attributes:
        text, blocks: the message of every event.
        messages: our event (or `page`, `identify`, …) → its own message.
    """

    messages: dict[str, Message] = {}


class Unescaped(str):
    """A text that holds Slack's markup already."""

    __slots__ = ()


class Slack(EventDestination):
    """`POST <base_url>/services/<token>`, by default at `https://hooks.slack.com`; `token` is what follows in the
    webhook's address (`T…/B…/…`)."""

    type = "slack"
    integrations_name = "Slack"
    default_url = "https://hooks.slack.com"
    Settings = SlackSettings
    token_in = "url"  # noqa: S105
    streaming = Streaming(batch_size=1)
    knows_repeats = False
    takes_pages = True  # its one word comes as text/html
    rate_per_second = 1.0

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__(config)
        self._jinja = ImmutableSandboxedEnvironment(
            undefined=ChainableUndefined,
            finalize=escaped,
            autoescape=False,  # Slack's markup is not HTML; `escaped` does what it needs
        )
        self._jinja.filters["unescaped"] = Unescaped
        own = self.settings
        self._default = self._compiled(own if own.text or own.blocks else Message(TEXT))
        self._messages = {name: self._compiled(message) for name, message in own.messages.items()}

    def headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json"}

    def tool_event(self, payload: Mapping[str, Any]) -> str:
        return "message"

    def unsupported(self, payload: Mapping[str, Any]) -> str:
        try:
            return "" if self._message(payload) else "its template says nothing"
        except ValueError:
            return ""  # `calls` tells

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        path = f"/services/{quote(self.config.token, safe='/')}"
        return [Call(self._post(path, self._message(event.payload)), (n,)) for n, event in enumerate(events)]

    def is_readable(self, answer: Answer) -> bool:
        # every refusal is told here: the sender's own words would name the address, which is the secret
        return 200 <= answer.status < 500 and answer.status not in TRANSIENT_STATUS

    def call_outcomes(self, call: Call, answer: Answer) -> list[Outcome]:
        status, word = answer.status, answer.text
        if status == 200 and word == "ok":
            return [Outcome(True, "200")] * len(call.events)
        if word in MESSAGE_FAULTS or status in (400, 413, 422):
            return [Outcome(False, word if word in MESSAGE_FAULTS else str(status), word)] * len(call.events)
        if word in PLACE_FAULTS or status >= 300:
            raise ConfigError(f"Slack does not take messages there ({status} {word}).", hint="See destinations/*.yaml.")
        raise UnavailableError(f"Slack answered {status} with something else: {word}")

    def _compiled(self, message: Message) -> tuple[Any, Any]:
        try:
            text = self._jinja.from_string(message.text) if message.text else None
            return text, _each_text(message.blocks, self._jinja.from_string)
        except TemplateError as error:
            raise ConfigError(f"settings of a destination of type slack: a template is wrong: {error}.") from error

    def _message(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The message; empty when its template says nothing."""
        text, blocks = self._messages.get(spec.event_name(payload), self._default)
        context = payload.get("context")
        values = {
            "event": spec.event_name(payload),
            "type": payload.get("type"),
            "properties": spec.properties(payload),
            "traits": spec.traits(payload),
            "context": context if isinstance(context, Mapping) else {},
            "user_id": spec.user_id(payload),
            "anonymous_id": spec.anonymous_id(payload),
            "timestamp": payload.get("timestamp"),
            "payload": payload,
        }
        try:
            said = text.render(values).strip() if text else ""
            if text and not said:
                return {}
            found: dict[str, Any] = {"text": said[:LONGEST_TEXT]} if said else {}
            if blocks:
                found["blocks"] = _each_text(blocks, lambda one: one.render(values)[:LONGEST_BLOCK_TEXT])[:MOST_BLOCKS]
            return found
        except _TEMPLATE_FAULTS as error:
            raise ValueError(f"the template cannot be filled: {error or type(error).__name__}") from error


def escaped(value: Any) -> str:
    """A value as text that Slack shows as it is."""
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, Unescaped):
        return str(value)
    text = str(value) if isinstance(value, int | float) else mapping.text(value)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _each_text(tree: Any, change: Any) -> Any:
    """The same tree with every value that is no list, object, number or truth changed."""
    if isinstance(tree, list):
        return [_each_text(item, change) for item in tree]
    if isinstance(tree, dict):
        return {name: _each_text(item, change) for name, item in tree.items()}
    return tree if tree is None or isinstance(tree, bool | int | float) else change(tree)
