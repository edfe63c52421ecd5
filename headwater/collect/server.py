"""The collector as a process: one event loop, one log, one port; SIGTERM seals the log.

Belongs here: starting and stopping. Does not belong here: HTTP routes (`app`), options (`command`).

Granian runs embedded, so that there is one process: killing it frees the port and the log's lock at once.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
from collections.abc import Callable

import click

from headwater.collect.app import Collector
from headwater.collect.metrics import CountingDisk
from headwater.collect.rules import Rules
from headwater.configuration import Config
from headwater.configuration.watching import Follower
from headwater.errors import UnavailableError
from headwater.settings import Settings
from headwater.storage.log import LogWriter
from headwater.storage.port import require_free_port

MOST_CONNECTIONS = 2048
_HEADER_BYTES = 32 * 1024
_log = logging.getLogger(__name__)


def serve(settings: Settings, config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then seal the log. A changed config is in use within two seconds.

    Raises:
        ConfigError: the tracking plan cannot be compiled.
        BusyError: the port or the log is taken.
        UnavailableError: the log folder cannot be written, or the address is not this machine's.
    """
    require_free_port(settings.host, settings.collector_port, "collector")
    try:
        import uvloop

        run: Callable[..., None] = uvloop.run
    except ImportError:
        run = asyncio.run
    run(_serve(settings, config))


async def _serve(settings: Settings, config: Config) -> None:
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.server.embed import Server

    _allow_connections()
    rules = Rules.from_config(config)
    disk = CountingDisk()
    log = LogWriter(settings.log_dir, disk=disk)
    log.open()
    collector = Collector(log, rules, disk)
    try:
        collector.replayed.settle()
    except UnavailableError as error:  # events are taken all the same; a replay is told of it
        _log.warning("What was put through again before the last stop cannot be told yet: %s", error)

    def use(changed: Config) -> None:
        collector.rules = Rules.from_config(changed, collector.rules)

    follower = Follower(settings, use)
    collector.config_fault = lambda: follower.fault
    server = Server(
        collector,
        address=settings.host,
        port=settings.collector_port,
        interface=Interfaces.ASGINL,
        websockets=False,
        http=HTTPModes.http1,
        backlog=1024,
        backpressure=MOST_CONNECTIONS,
        log_enabled=False,
        # a client that sends its head slowly, or nothing at all, is cut off
        http1_settings=HTTP1Settings(
            header_read_timeout=int(rules.limits.header_seconds * 1000),
            keep_alive=True,
            max_buffer_size=_HEADER_BYTES,
        ),
    )
    logging.getLogger("_granian").setLevel(logging.ERROR)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    click.echo(f"collector: http://{settings.host}:{settings.collector_port} → {settings.log_dir}")
    following = asyncio.create_task(follower.run())
    try:
        await server.serve()
    finally:
        following.cancel()
        await log.close()


def _allow_connections() -> None:
    """Raise the limit of open files as far as it may be; each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
