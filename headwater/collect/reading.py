"""NDJSON files as blocks of whole lines, plain or gzipped, damaged or not.

Belongs here: unpacking, cutting at line ends, noticing what cannot be read. Does not belong here: sending, progress.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BLOCK_BYTES = 1024 * 1024
BLOCK_LINES = 10_000
LONGEST_LINE = 2 * 1024 * 1024
KEPT_BYTES = 64 * 1024


@dataclass(frozen=True)
class Block:
    """Consecutive lines of a file. `lines` counts them; `size` is how far the file's (unpacked) bytes are used up.

    With a `reason` the block is no lines to send but one thing that cannot be read, `data` its beginning. `size` 0
    then means that the place is to be read again when the file has grown.
    """

    data: bytes
    lines: int
    size: int
    reason: str = ""


class _BrokenGzipError(Exception):
    """The rest of a gzip file cannot be unpacked; the message is the reason."""


def read_blocks(path: Path, skip: int = 0) -> Iterator[Block]:
    """The file's lines from unpacked byte `skip` on, in blocks of about `BLOCK_BYTES`."""
    rest = b""
    reason = ""
    parts = _unpacked(path)
    try:
        for part in parts:
            if skip >= len(part):
                skip -= len(part)
                continue
            data = rest + part[skip:] if rest or skip else part
            skip = 0
            cut = data.rfind(b"\n") + 1
            if not cut and len(data) > LONGEST_LINE:
                long, data = _skip_line(data, parts)
                yield long
                cut = data.rfind(b"\n") + 1
            rest = data[cut:]
            if cut:
                yield from _bounded(data[:cut])
    except _BrokenGzipError as error:
        reason = str(error)
    if reason:
        yield Block(rest[:KEPT_BYTES], 1, 0, reason)
    elif rest:
        yield Block(rest, 1, len(rest))


def unpacked_parts(path: Path, length: int) -> Iterator[bytes]:
    """The first `length` unpacked bytes of the file; fewer when it has fewer."""
    try:
        for part in _unpacked(path):
            yield part[:length]
            length -= len(part)
            if length <= 0:
                return
    except _BrokenGzipError:
        return


def _bounded(data: bytes) -> Iterator[Block]:
    count = data.count(b"\n")
    if count <= BLOCK_LINES:
        yield Block(data, count, len(data))
        return
    rows = data.split(b"\n")[:-1]
    for start in range(0, len(rows), BLOCK_LINES):
        some = b"\n".join(rows[start : start + BLOCK_LINES]) + b"\n"
        yield Block(some, min(BLOCK_LINES, len(rows) - start), len(some))


def _skip_line(data: bytes, parts: Iterator[bytes]) -> tuple[Block, bytes]:
    """Pass over a line too long to be an event, keeping its beginning; the bytes behind it come back too."""
    size = len(data)
    for part in parts:
        end = part.find(b"\n") + 1
        if end:
            return Block(data[:KEPT_BYTES], 1, size + end, "event larger than the limit"), part[end:]
        size += len(part)
    return Block(data[:KEPT_BYTES], 1, size, "event larger than the limit"), b""


def _unpacked(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b" and path.suffix != ".gz":
            file.seek(0)
            while part := file.read(BLOCK_BYTES):
                yield part
            return
        file.seek(0)
        yield from _gunzipped(file)


def _gunzipped(file: BinaryIO) -> Iterator[bytes]:
    unpacker = None
    try:
        while piece := file.read(256 * 1024):
            while piece:
                if unpacker is None:
                    unpacker = zlib.decompressobj(wbits=31)
                part = unpacker.decompress(piece, BLOCK_BYTES)
                if part:
                    yield part
                piece = unpacker.unconsumed_tail
                if unpacker.eof:
                    piece, unpacker = unpacker.unused_data.lstrip(b"\0"), None
        if unpacker is not None:
            part = unpacker.flush()
            if part:
                yield part
            if not unpacker.eof:
                raise _BrokenGzipError("truncated gzip")
    except zlib.error as error:
        raise _BrokenGzipError("broken gzip") from error
