"""One record's bytes: what is written is read, what is damaged is noticed."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.storage.log.record import DamagedError, Envelope, encode_envelope, frame, scan

ENVELOPE = Envelope("web", "live", datetime(2026, 5, 4, 12), ip="203.0.113.7")
BYTES = encode_envelope(ENVELOPE)


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=50), st.binary(max_size=200))))
def test_records_are_read_as_written(rows: list[tuple[str, bytes]]) -> None:
    found = list(scan(b"".join(frame(BYTES, key, payload) for key, payload in rows), 0))
    assert [(record.message_id, record.payload) for record in found] == rows
    assert all(record.envelope == ENVELOPE for record in found)


def test_every_cut_inside_a_record_is_noticed() -> None:
    first, second = frame(BYTES, "m1", b'{"a":1}'), frame(BYTES, "m2", b'{"b":2}')
    for length in range(len(first) + 1, len(first + second)):
        records, damaged_at = _read((first + second)[:length])
        assert (records, damaged_at) == (["m1"], len(first))


def test_every_changed_bit_is_noticed() -> None:
    whole = frame(BYTES, "m1", b'{"a":1}')
    for index in range(len(whole)):
        changed = bytearray(whole)
        changed[index] ^= 1
        with pytest.raises(DamagedError):
            list(scan(bytes(changed), 0))


def test_a_tail_of_zeros_is_no_record() -> None:
    assert _read(frame(BYTES, "m1", b"{}") + bytes(64))[0] == ["m1"]


def _read(data: bytes) -> tuple[list[str], int | None]:
    found = []
    try:
        for record in scan(data, 0):
            found.append(record.message_id)
    except DamagedError as damage:
        return found, damage.offset
    return found, None
