"""The profile API as a process: one event loop, one port; SIGTERM and Ctrl-C end it.

Belongs here: starting and stopping. Does not belong here: routes (`app`), options (`command`).
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

import click

from headwater.configuration import Config
from headwater.serve.app import create_app
from headwater.serve.online import Online
from headwater.settings import Settings
from headwater.storage.port import require_free_port


def serve_profiles(settings: Settings, config: Config) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        BusyError: the port is taken.
        UnavailableError: the address is not this machine's.
    """
    require_free_port(settings.host, settings.api_port, "profile API")
    try:
        import uvloop

        run: Callable[..., None] = uvloop.run
    except ImportError:
        run = asyncio.run
    run(_serve(settings, config))


async def _serve(settings: Settings, config: Config) -> None:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    online = Online(settings)
    opening = asyncio.create_task(online.open())  # Redis loads while the app is being built
    server = Server(
        create_app(config, online, settings),
        address=settings.host,
        port=settings.api_port,
        interface=Interfaces.ASGINL,
        websockets=False,
        backlog=1024,
        log_enabled=False,
    )
    logging.getLogger("_granian").setLevel(logging.ERROR)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    await opening
    click.echo(f"profile API: http://{settings.host}:{settings.api_port} (docs at /docs)")
    try:
        await server.serve()
    finally:
        await online.close()
