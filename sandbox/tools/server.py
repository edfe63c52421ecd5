"""The tools' HTTP server: one process, one port.

Belongs here: putting the application together and running it. Does not belong here: routes (`api`, `pages`).
"""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import sqlite3
import threading
from contextlib import nullcontext
from pathlib import Path

import psycopg
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox import standins
from sandbox.company.files import drop_chats
from sandbox.database.filling import fill
from sandbox.database.server import Postgres
from sandbox.errors import SandboxError
from sandbox.hooks.happenings import Happenings
from sandbox.hooks.outbox import Outbox
from sandbox.live import WRITE_KEYS
from sandbox.shop import Shop
from sandbox.tools.api import Api
from sandbox.tools.pages import Pages
from sandbox.tools.received import Received
from sandbox.tools.store import Store

COLLECTOR = "http://127.0.0.1:8080"


def application(
    folder: Path, rates: dict[str, float] | None = None, collector: str = COLLECTOR, outbox: Outbox | None = None
) -> Starlette:
    """The ASGI application over the company in `folder`; `rates` are requests per second by tool, `collector` is where
    the shop's page sends its events, `outbox` takes the calls that follow on what the tools receive."""
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder / "tools.sqlite")
    api = Api(store, rates or {}, Happenings(store, outbox).answer if outbox is not None else None)
    pages = Pages(store, folder / "company" / "chats", Received(folder))
    shop = Shop(folder / "shop", collector, WRITE_KEYS["web"])
    routes: list[BaseRoute] = [Route("/health", _health), *api.routes(), *standins.routes(folder)]
    routes += [*shop.routes(), *pages.routes()]
    return Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_allowed})


def serve(
    folder: Path,
    *,
    host: str,
    port: int,
    rates: dict[str, float],
    inbox: Path | None,
    collector: str = COLLECTOR,
    outbox: Outbox | None = None,
    hooks_every: float = 20.0,
    database: Postgres | None = None,
) -> None:
    """Run until SIGINT or SIGTERM. With an `outbox` the tools call others as things happen: every so many seconds. With
    a `database` the payment tool's records are kept there too.

    Raises:
        SandboxError: the port is taken, or the database does not start.
    """
    _require_free(host, port)
    with database or nullcontext():
        if database is not None:
            fill(folder, database.url)
            print(f"The payments database is at {database.url}", flush=True)
        _serve(folder, host, port, rates, inbox, collector, outbox, hooks_every, database)


def _serve(
    folder: Path,
    host: str,
    port: int,
    rates: dict[str, float],
    inbox: Path | None,
    collector: str,
    outbox: Outbox | None,
    hooks_every: float,
    database: Postgres | None,
) -> None:
    app = application(folder, rates, collector, outbox)
    stop = threading.Event()
    if outbox is not None:
        happenings = Happenings(Store(folder / "tools.sqlite"), outbox)
        threading.Thread(target=happenings.run, args=(stop, hooks_every), daemon=True).start()
    if inbox is not None:
        threading.Thread(target=_keep_dropping, args=(folder, inbox, stop), daemon=True).start()
    keeper = threading.Thread(target=_keep_database, args=(folder, database, stop)) if database is not None else None
    if keeper is not None:
        keeper.start()
    try:
        asyncio.run(_run(app, host, port))
    finally:
        stop.set()
        if keeper is not None:
            keeper.join()


async def _run(app: Starlette, host: str, port: int) -> None:
    server = Server(
        app, address=host, port=port, interface=Interfaces.ASGI, log_level=LogLevels.error, websockets=False
    )
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(server.serve())
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    print(f"The tools of the example company are at http://{host}:{port}", flush=True)
    await running


def _keep_dropping(folder: Path, inbox: Path, stop: threading.Event) -> None:
    """The contact centre's export: new chat files appear in the drop folder within seconds."""
    while True:
        if (folder / "company" / "chats").is_dir():
            drop_chats(folder / "company", inbox)
        if stop.wait(5):
            return


def _keep_database(folder: Path, database: Postgres, stop: threading.Event) -> None:
    """The database follows a new simulation within seconds, and is started again when it has ended."""
    while not stop.wait(2):
        try:
            if not database.is_running:
                database.stop()
                database.start()
                print("The payments database had ended and is started again.", flush=True)
            fill(folder, database.url)
        except (SandboxError, psycopg.Error, sqlite3.Error) as error:
            print(f"The payments database: {error}", flush=True)


def _require_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise SandboxError(f"Port {port} on {host} is in use; give another --port.") from None
            raise SandboxError(f"Cannot listen on {host}:{port}: {error.strerror}.") from None


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _not_found(request: Request, _: Exception) -> Response:
    content = {"status": "error", "code": "NOT_FOUND", "message": f"There is nothing at {request.url.path}."}
    return JSONResponse(content, 404)


async def _not_allowed(request: Request, _: Exception) -> Response:
    content = {"status": "error", "code": "METHOD_NOT_ALLOWED", "message": f"{request.method} is not possible here."}
    return JSONResponse(content, 405)
