"""Any HTTP endpoint that takes events as JSON: the quickest way to one's own service.

For an API that wants its own shape see `http_template`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from headwater.configuration import Destination as DestinationConfig
from headwater.event import TYPES
from headwater.push.destinations.base import Answer, BatchDestination, Call, Outcome, Request, StreamEvent, Streaming


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing is needed.

    Attributes:
        method: POST or PUT.
        headers: more headers.
        one_by_one: each event is a request's whole body, instead of `{"events": […]}`.
        accept_html: an answer in HTML is the endpoint's own; by default it is a proxy's or log-in page: not delivered.
        signing_secret: sign each body; `X-Signature: sha256=<HMAC-SHA256 of the body, hex>`.
    """

    method: str = "POST"
    headers: dict[str, str] = {}
    one_by_one: bool = False
    accept_html: bool = False
    signing_secret: str = ""


class Webhook(BatchDestination):
    """`POST <base_url>` with `{"events": […]}`; any 2xx means that all were taken, unless it names errors by index."""

    type = "webhook"
    integrations_name = "Webhook"
    Settings: ClassVar[Any] = Settings
    streaming = Streaming(batch_size=100)
    rate_per_second = 20.0
    counted_types = tuple(sorted(TYPES))

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__(config)
        self.takes_pages = self.settings.accept_html

    def stream_request(self, events: Sequence[msgspec.Raw]) -> Request:
        return self._request(msgspec.json.encode({"events": events}))

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        if not self.settings.one_by_one:
            return super().calls(events)
        return [Call(self._request(bytes(event.body)), (index,)) for index, event in enumerate(events)]

    def outcomes(self, answer: Answer, count: int) -> list[Outcome]:
        if not isinstance(answer.json, dict):
            return [Outcome(True, str(answer.status), answer.text)] * count
        return super().outcomes(answer, count)

    def _request(self, body: bytes) -> Request:
        headers = self.headers() | self.settings.headers
        if self.settings.signing_secret:
            digest = hmac.new(self.settings.signing_secret.encode(), body, hashlib.sha256).hexdigest()
            headers["X-Signature"] = f"sha256={digest}"
        return Request(self.settings.method, self.config.base_url, headers, body)
