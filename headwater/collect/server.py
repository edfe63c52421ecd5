"""The collector as a process: one event loop, one log, one port; SIGTERM seals the log.

Belongs here: starting and stopping. Does not belong here: HTTP routes (`app`), options (`command`).

Granian runs embedded, so that there is one process: killing it frees the port and the log's lock at once.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable

import click

from headwater.collect.app import Collector, Limits
from headwater.configuration import Config
from headwater.errors import BusyError, UnavailableError
from headwater.settings import Settings
from headwater.storage.log import LogWriter


def serve(settings: Settings, config: Config, limits: Limits | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then seal the log.

    Raises:
        BusyError: the port or the log is taken.
        UnavailableError: the log folder cannot be written, or the address is not this machine's.
    """
    check_port(settings.host, settings.collector_port)
    try:
        import uvloop

        run: Callable[..., None] = uvloop.run
    except ImportError:
        run = asyncio.run
    run(_serve(settings, config, limits))


def check_port(host: str, port: int) -> None:
    """Raise `BusyError` when another process listens there, `UnavailableError` when nobody can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise BusyError(
                    f"Port {port} of {host} is taken by another process.", hint="Stop it or choose another with --port."
                ) from error
            raise UnavailableError(f"The collector cannot listen on {host}:{port}: {error.strerror}.") from error


async def _serve(settings: Settings, config: Config, limits: Limits | None) -> None:
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings
    from granian.server.embed import Server

    log = LogWriter(settings.log_dir)
    log.open()
    server = Server(
        Collector(log, config.write_keys(), limits),
        address=settings.host,
        port=settings.collector_port,
        interface=Interfaces.ASGINL,
        websockets=False,
        backlog=1024,
        backpressure=1024,
        log_enabled=False,
        http1_settings=HTTP1Settings(keep_alive=True),
    )
    logging.getLogger("_granian").setLevel(logging.ERROR)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    click.echo(f"collector: http://{settings.host}:{settings.collector_port} → {settings.log_dir}")
    try:
        await server.serve()
    finally:
        await log.close()
