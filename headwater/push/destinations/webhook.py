"""Any HTTP endpoint that takes batches of events as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headwater.push.destinations.base import Answer, BatchDestination, Outcome, Request, Streaming


class Webhook(BatchDestination):
    """`POST <base_url>` with `{"events": […]}`; any 2xx means that all were taken, unless it names errors by index."""

    type = "webhook"
    streaming = Streaming(batch_size=100)
    rate_per_second = 20.0

    def stream_request(self, events: Sequence[msgspec.Raw]) -> Request:
        return Request("POST", self.config.base_url, self.headers(), msgspec.json.encode({"events": events}))

    def outcomes(self, answer: Answer, count: int) -> list[Outcome]:
        if not isinstance(answer.json, dict):
            return [Outcome(True, str(answer.status))] * count
        return super().outcomes(answer, count)
