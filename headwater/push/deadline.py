"""How long one exchange with a tool may take in all, and how many bytes its answer may have.

Belongs here: cutting off a tool that trickles or never ends its answer; a read's own time limit is httpx's. Does not
belong here: what a failed exchange means (`sender`).
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx


class AnswerTooLargeError(httpx.TransportError):
    """An answer has more bytes than are read."""


class Connections:
    """The connections of one HTTP client, which it tells of by `trace` (httpx's extension of that name). Close it.

    Args:
        seconds: how long one exchange may take; a tenth more before it is noticed.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sockets: set[socket.socket] = set()
        self._began: float | None = None
        self._is_over = False
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpx's hook: remember each connection that is made."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            made = info["return_value"].get_extra_info("socket")
            if made is not None:
                self._sockets = {known for known in self._sockets if known.fileno() >= 0} | {made}

    @contextlib.contextmanager
    def exchange(self) -> Iterator[Callable[[], bool]]:
        """Cut every connection off when the block takes too long; what is yielded tells whether that was so."""
        if self._watcher is None:  # one thread for all requests: one for each would cost more than the request
            self._watcher = threading.Thread(target=self._watch, name="deadline", daemon=True)
            self._watcher.start()
        self._is_over, self._began = False, time.monotonic()
        try:
            yield lambda: self._is_over
        finally:
            self._began = None

    def close(self) -> None:
        """Watch no longer."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(self._seconds / 10):
            began = self._began
            if began is None or time.monotonic() - began < self._seconds:
                continue
            self._is_over = True
            for known in self._sockets:
                with contextlib.suppress(OSError):  # closed meanwhile
                    # the plain socket's: a TLS socket's own would take its session from under the reading thread
                    socket.socket.shutdown(known, socket.SHUT_RDWR)


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
