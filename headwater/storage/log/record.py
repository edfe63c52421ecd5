"""The bytes of one record, and how they are told from damage.

Belongs here: framing, checksum, envelope. Does not belong here: files, names, readers' positions.

A segment starts with `MAGIC`. A record is `crc32 · body length · envelope length · message-id length · envelope ·
message id · payload`, numbers little-endian; the checksum covers everything after itself. The envelope is
MessagePack, shared by all records of one request; the payload is the client's own bytes of that event.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from datetime import datetime

import msgspec
from msgspec import Struct

from headwater.event import Received, Route

MAGIC = b"HWLOG\x00\x01\n"
LARGEST_BODY = 64 * 1024 * 1024
_LENGTHS = struct.Struct("<IHH")
_HEADER = struct.Struct("<IIHH")


class Envelope(Struct, array_like=True, frozen=True):
    """What the collector knows beside the client's bytes. New fields go at the end, with a default.

    `received_at` is UTC; `type` is set when the route named it; `reason` and `detail` only for route `quarantine`.
    `violations` are (kind, path, message) of the tracking plan, `verdict` is `drop` when the plan says so; `replays`
    is the quarantined row that was put through again, `replayed_at` when; `came_by` is the route that a quarantined
    event had.
    """

    source: str
    route: Route
    received_at: datetime
    sent_at: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    backfill: bool = False
    type: str | None = None
    reason: str | None = None
    detail: str | None = None
    verdict: str | None = None
    violations: list[tuple[str, str, str]] | None = None
    replays: str | None = None
    came_by: Route | None = None
    replayed_at: datetime | None = None

    def received(self) -> Received:
        """The part of it that completes an event."""
        return Received(
            source=self.source,
            route=self.route,
            received_at=self.received_at,
            sent_at=self.sent_at,
            ip=self.ip,
            user_agent=self.user_agent,
            backfill=self.backfill,
            type=self.type,
        )


class Record(Struct, gc=False):
    """One record as read. `offset` and `end` are its place in the segment, in bytes."""

    message_id: str
    envelope: Envelope
    payload: bytes
    offset: int
    end: int


class DamagedError(Exception):
    """No whole record at this offset: the torn tail of a write, or bytes that changed."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"no whole record at byte {offset}")
        self.offset = offset


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Envelope).decode


def encode_envelope(envelope: Envelope) -> bytes:
    """The envelope's bytes, to be shared by the records of one request. At most 65,535 of them."""
    return _encode(envelope)


def frame(envelope: bytes, message_id: str, payload: bytes) -> bytes:
    """One record, ready to be appended."""
    key = message_id.encode()
    lengths = _LENGTHS.pack(len(envelope) + len(key) + len(payload), len(envelope), len(key))
    body = b"".join((lengths, envelope, key, payload))
    return zlib.crc32(body).to_bytes(4, "little") + body


def scan(data: bytes, start: int, base: int = 0) -> Iterator[Record]:
    """The records of `data` from index `start`; offsets are reported plus `base`.

    Raises:
        DamagedError: what follows the last record given is not a whole one (and is not the end of the data).
    """
    size, header = len(data), _HEADER.size
    last_bytes, last_envelope = b"", None
    at = start
    while at < size:
        if at + header > size:
            raise DamagedError(base + at)
        checksum, length, envelope_length, key_length = _HEADER.unpack_from(data, at)
        body = at + header
        end = body + length
        if length > LARGEST_BODY or end > size or envelope_length + key_length > length:
            raise DamagedError(base + at)
        if zlib.crc32(data[at + 4 : end]) != checksum:
            raise DamagedError(base + at)
        key, payload = body + envelope_length, body + envelope_length + key_length
        envelope_bytes = data[body:key]
        if envelope_bytes != last_bytes or last_envelope is None:
            last_bytes, last_envelope = envelope_bytes, _decode(envelope_bytes)
        yield Record(data[key:payload].decode(), last_envelope, data[payload:end], base + at, base + end)
        at = end
