"""The profile API as a process: one event loop, one port; SIGTERM and Ctrl-C end it.

Belongs here: starting and stopping. Does not belong here: routes (`app`), options (`command`).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable

import click

from headwater.configuration import Config
from headwater.errors import BusyError, UnavailableError
from headwater.serve.app import create_app
from headwater.serve.online import Online
from headwater.settings import Settings


def serve_profiles(settings: Settings, config: Config) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        BusyError: the port is taken.
        UnavailableError: the address is not this machine's.
    """
    require_port(settings.host, settings.api_port)
    try:
        import uvloop

        run: Callable[..., None] = uvloop.run
    except ImportError:
        run = asyncio.run
    run(_serve(settings, config))


def require_port(host: str, port: int) -> None:
    """Raise when nothing can listen there: the server itself would share a busy port in silence."""
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
            raise UnavailableError(f"The profile API cannot listen on {host}:{port}: {error.strerror}.") from error


async def _serve(settings: Settings, config: Config) -> None:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    online = Online(settings)
    opening = asyncio.create_task(online.open())  # Redis loads while the app is being built
    server = Server(
        create_app(config, online),
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
