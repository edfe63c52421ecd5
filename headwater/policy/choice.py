"""Which of the events that did not get through a replay is for: the same words for quarantine and dead letters.

Belongs here: the choice. Does not belong here: what it is made among (`headwater.collect.quarantine`,
`headwater.push.dead`), or any replay.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Choice:
    """All of what is given must hold; nothing given means every one.

    Attributes:
        reason: this text is part of why the event did not get through; case does not matter.
        source: it came from this source.
        event: its event name, or type (`identify`, `page`, …).
        since, until: it was received in [since, until), UTC without offset.
        ids: its messageId is one of these; for the quarantine also its quarantineId.
    """

    reason: str | None = None
    source: str | None = None
    event: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: tuple[str, ...] = ()

    def takes(
        self, reasons: tuple[str, ...], source: str, kind: str, event: str | None, received_at: datetime, key: str
    ) -> bool:
        """Whether it is for this one. `reasons` are all the words on why it did not get through."""
        wanted = (self.reason or "").casefold()
        return (
            any(wanted in text.casefold() for text in reasons)
            and self.source in (None, source)
            and (self.event is None or self.event in (event, kind))
            and (self.since is None or received_at >= self.since)
            and (self.until is None or received_at < self.until)
            and (not self.ids or key in self.ids)
        )
