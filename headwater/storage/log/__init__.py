"""The durable event log: append-only segment files between the collector and everything that reads events.

Belongs here: records, segments, the one writer, the many readers. Does not belong here: what an event means
(`headwater.event`), who sends it (collect) or what is made of it (land, push).
"""

from __future__ import annotations

from headwater.storage.log.disk import Disk
from headwater.storage.log.lock import LogLock
from headwater.storage.log.reader import LogReader, Position
from headwater.storage.log.record import DamagedError, Envelope, Record, encode_envelope, frame
from headwater.storage.log.retention import LANDER, SESSIONS, destination_reader, remove_passed
from headwater.storage.log.segment import Segment, recover, segments
from headwater.storage.log.writer import LogWriter

__all__ = [
    "LANDER",
    "SESSIONS",
    "DamagedError",
    "Disk",
    "Envelope",
    "LogLock",
    "LogReader",
    "LogWriter",
    "Position",
    "Record",
    "Segment",
    "destination_reader",
    "encode_envelope",
    "frame",
    "recover",
    "remove_passed",
    "segments",
]
