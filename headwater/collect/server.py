"""The collector as a process: one event loop, one log, one port; SIGTERM seals the log.

Belongs here: starting and stopping. Does not belong here: HTTP routes (`app`), options (`command`).

Granian runs embedded, so that there is one process: killing it frees the port and the log's lock at once.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

import click

from headwater.collect.app import Collector, Limits
from headwater.configuration import Config
from headwater.settings import Settings
from headwater.storage.log import LogWriter
from headwater.storage.port import require_free_port


def serve(settings: Settings, config: Config, limits: Limits | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then seal the log.

    Raises:
        BusyError: the port or the log is taken.
        UnavailableError: the log folder cannot be written, or the address is not this machine's.
    """
    require_free_port(settings.host, settings.collector_port, "collector")
    try:
        import uvloop

        run: Callable[..., None] = uvloop.run
    except ImportError:
        run = asyncio.run
    run(_serve(settings, config, limits))


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
