"""The profile API as a process: one event loop, one port; SIGTERM and Ctrl-C end it.

Belongs here: starting and stopping. Does not belong here: routes (`app`), options (`command`).
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

import click

from headwater.serve.app import create_app
from headwater.serve.current import CurrentConfig
from headwater.serve.online import Online
from headwater.settings import Settings
from headwater.storage.port import require_free_port


def serve_profiles(settings: Settings, current: CurrentConfig) -> None:
    """Serve until SIGTERM or SIGINT; edits of the config are followed.

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
    run(_serve(settings, current))


async def _serve(settings: Settings, current: CurrentConfig) -> None:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    online = Online(settings)
    opening = asyncio.create_task(online.open())  # Redis loads while the app is being built
    server = Server(
        create_app(current, online, settings),
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
    following = asyncio.create_task(current.follow())
    try:
        await server.serve()
    finally:
        following.cancel()
        await online.close()
