"""How long one exchange with a tool may take in all, and how many bytes its answer may have.

Belongs here: cutting off a tool that trickles or never ends its answer; a read's own time limit is httpx's. Does not
belong here: what a failed exchange means (`sender`).
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import httpx


class AnswerTooLargeError(httpx.TransportError):
    """An answer has more bytes than are read."""


class Connections:
    """The connections of one HTTP client, which it tells of by `trace` (httpx's extension of that name)."""

    def __init__(self) -> None:
        self._sockets: set[socket.socket] = set()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpx's hook: remember each connection that is made."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._sockets = {known for known in self._sockets if known.fileno() >= 0}
            made = info["return_value"].get_extra_info("socket")
            if made is not None:
                self._sockets.add(made)

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[threading.Event]:
        """Cut every connection off when the block takes longer; what is yielded is then set."""
        is_over = threading.Event()

        def cut() -> None:
            is_over.set()
            for known in list(self._sockets):
                with contextlib.suppress(OSError):  # closed meanwhile
                    # the plain socket's: a TLS socket's own would take its session from under the reading thread
                    socket.socket.shutdown(known, socket.SHUT_RDWR)

        timer = threading.Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield is_over
        finally:
            timer.cancel()


def content_of(response: httpx.Response, most: int) -> bytes:
    """The body of a response that is not read yet, unpacked, at most `most` bytes.

    Raises:
        AnswerTooLargeError: it has more.
    """
    found = bytearray()
    for chunk in response.iter_bytes():
        found += chunk
        if len(found) > most:
            raise AnswerTooLargeError(f"its answer has over {most:,} bytes")
    return bytes(found)


def limit(response: httpx.Response, most: int) -> None:
    """Let nobody read more than `most` bytes of a response as they come (packed, if it is)."""
    response.stream = _Limited(response.stream, most)  # type: ignore[arg-type] # of a synchronous client


class _Limited(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, most: int) -> None:
        self._stream, self._most = stream, most

    def __iter__(self) -> Iterator[bytes]:
        left = self._most
        for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise AnswerTooLargeError(f"its answer has over {self._most:,} bytes")
            yield chunk

    def close(self) -> None:
        self._stream.close()
