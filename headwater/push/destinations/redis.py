"""Redis: events appended to a stream or list, or kept in a hash, under keys made from the event.

Known from redis.io/docs/latest/commands: XADD with approximate MAXLEN, RPUSH, HSET; keys of one script must share a
cluster slot, which `{…}` in a key decides. An event is known again for `duplicate_seconds` by a key of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import msgspec

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import ConfigError, UnavailableError
from headwater.push import templates
from headwater.push.destinations.base import Direct, Outcome, StreamEvent, Streaming

_ONCE = "if redis.call('SET', KEYS[2], 1, 'NX', 'EX', ARGV[1]) then "
_SCRIPTS = {
    "stream": _ONCE + "redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'message_id', ARGV[3], 'source',"
    " ARGV[4], 'event', ARGV[5]) end return 1",
    "list": _ONCE + "redis.call('RPUSH', KEYS[1], ARGV[5]) redis.call('LTRIM', KEYS[1], -ARGV[2], -1) end return 1",
}
_TRANSIENT = (
    "OOM",
    "LOADING",
    "READONLY",
    "BUSY",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "MOVED",
    "ASK",
    "NOREPLICAS",
)


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """Where events go.

    Attributes:
        mode: `stream` and `list` append; `hash` keeps one field a message.
        key: template of the key, over `event`.
        field: template of the hash's field; the default keeps every event, `{{ event.type }}` the newest of a type.
        max_length: of a stream (about) or list.
        duplicate_seconds: how long an event is known again.
    """

    mode: Literal["stream", "list", "hash"] = "stream"
    key: str = "headwater:events"
    field: str = "{{ event.messageId }}"
    max_length: int = 1_000_000
    duplicate_seconds: int = 7 * 24 * 3600


class Redis(Direct):
    """`base_url` is `redis://…` or `rediss://…`; `token` the password (`user:password` for one with a name)."""

    type = "redis"
    integrations_name = "Redis"
    Settings: ClassVar[Any] = Settings
    streaming = Streaming(batch_size=500, batch_bytes=4_000_000)
    rate_per_second = 200.0

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__(config)
        self._key = templates.text(self.settings.key, "settings.key")
        self._field = templates.text(self.settings.field, "settings.field")
        self._client: Any = None

    def open(self) -> None:
        import redis

        user, _, password = self.config.token.rpartition(":")
        try:
            self._client = redis.Redis.from_url(
                self.config.base_url, username=user or None, password=password or None, socket_timeout=10,
                socket_connect_timeout=10,
            )  # fmt: skip
            self._client.ping()
        except ValueError as error:
            raise ConfigError(f"base_url {self.config.base_url} is no address of a Redis: {error}.") from error
        except redis.AuthenticationError as error:
            raise ConfigError(f"Redis does not accept our token ({error}).") from error
        except redis.RedisError as error:
            raise UnavailableError(f"Redis at {self.config.base_url} does not answer: {error}.") from error

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def write(self, events: Sequence[StreamEvent]) -> list[Outcome]:
        import redis

        pipeline = self._client.pipeline(transaction=False)
        for event in events:
            self._add(pipeline, event)
        try:
            answers = pipeline.execute(raise_on_error=False)
        except redis.RedisError as error:
            raise UnavailableError(f"Redis at {self.config.base_url} does not answer: {error}.") from error
        return [_outcome(answer) for answer in answers]

    def _add(self, pipeline: Any, event: StreamEvent) -> None:
        about: Mapping[str, Any] = {"event": event.payload}
        key, given = self._key(about), self.settings
        if given.mode == "hash":
            pipeline.hset(key, self._field(about), bytes(event.body))
            return
        seen = f"{key}:seen:{event.message_id}" if "{" in key else f"{{{key}}}:seen:{event.message_id}"
        values = (given.duplicate_seconds, given.max_length, event.message_id, event.source, bytes(event.body))
        pipeline.eval(_SCRIPTS[given.mode], 2, key, seen, *values)


def _outcome(answer: Any) -> Outcome:
    if not isinstance(answer, Exception):
        return Outcome(True, "OK")
    words = str(answer)
    code = words.split(" ", 1)[0] or type(answer).__name__
    if not code.isupper():
        code = type(answer).__name__
    return Outcome(False, code, words, any(word in words for word in _TRANSIENT))
