"""Runs a stand-in of the sandbox over real HTTP, and sends events to it as the delivery loop does: for tests."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import msgspec
import uvicorn
from starlette.applications import Starlette

from headwater.configuration import Destination as DestinationConfig
from headwater.push.destinations.base import Answer, Call, EventDestination, Outcome, StreamEvent
from headwater.push.oauth import authenticator
from headwater.push.sender import Sender
from sandbox.standins.base import Standin
from sandbox.standins.memory import Memory

TOKEN = "sandbox_demo"


class _Server(uvicorn.Server):
    """Ends at once when told to, cutting off what it was still doing: uvicorn's own way takes two tenths of a second,
    and the suite starts hundreds of these."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.on_tick(0)
        await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for taken in sockets or []:
            taken.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()

    def end(self) -> None:
        """To be called from another thread, once it has started."""
        self.should_exit = True
        while self._loop is None:
            time.sleep(0.001)
        self._loop.call_soon_threadsafe(self._told.set)


class StandinServer:
    """One stand-in on a free port. Use as a context manager; `url` is its address with the tool's prefix, `client` asks
    it directly."""

    def __init__(self, cls: type[Standin], folder: Path, **overrides: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.standin = type(cls.__name__, (cls,), overrides)(Memory(folder / "standins.sqlite"))
        config = uvicorn.Config(Starlette(routes=self.standin.routes()), log_level="error", lifespan="off")
        self._server = _Server(config)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/{cls.name}"
        # without certificates, which take long to read for each client and which nobody here needs
        self.client = httpx.Client(base_url=self.url, verify=False, trust_env=False)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> StandinServer:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.001)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.client.close()
        self._server.end()
        self._thread.join(60)
        self._socket.close()

    def kept(self) -> list[dict[str, Any]]:
        """What it was told, oldest first."""
        return list(reversed(self.client.get("/_kept").json()))

    def counts(self) -> dict[str, int]:
        """Its own report: how many of each event."""
        found: dict[str, int] = {}
        for row in self.client.get("/_counts").json():
            found[row["event"]] = found.get(row["event"], 0) + row["count"]
        return found

    def pass_time(self, seconds: float) -> None:
        """Its rate limit as it will be then: tests of waiting neither wait nor depend on the machine's speed."""
        self.standin._bucket.seen_at -= seconds

    def fault(self, **fault: Any) -> None:
        """Misbehave at the next requests."""
        self.client.post("/_faults", json=fault).raise_for_status()


def open_at(
    cls: type[EventDestination], url: str, settings: Mapping[str, Any] | None = None, token: str = TOKEN
) -> EventDestination:
    """The destination class, with the stand-in as its address."""
    return cls(DestinationConfig(type=cls.type, base_url=url, token=token, settings=dict(settings or {})))


def streamed(*payloads: Mapping[str, Any]) -> list[StreamEvent]:
    """Payloads as the delivery loop hands them over."""
    return [
        StreamEvent(str(payload["messageId"]), "web", dict(payload), msgspec.Raw(json.dumps(payload).encode()))
        for payload in payloads
    ]


def bodies(destination: EventDestination, *payloads: Mapping[str, Any]) -> list[Any]:
    """The JSON of each request that the payloads become."""
    return [json.loads(call.request.body) for call in destination.calls(streamed(*payloads))]


def deliver(destination: EventDestination, *payloads: Mapping[str, Any]) -> list[list[Outcome]]:
    """Send every call once; for each event the outcomes of the calls that carried it.

    Raises:
        RequestRefusedError: the tool refused a whole request in a way that the class does not read.
    """
    found: list[list[Outcome]] = [[] for _ in payloads]
    with Sender("tool", 1000, auth=authenticator("tool", destination)) as sender:
        for call in destination.calls(streamed(*payloads)):
            for index, outcome in zip(call.events, destination.call_outcomes(call, _send(sender, destination, call)),
                                      strict=True):  # fmt: skip
                found[index].append(outcome)
    return found


def accepted(found: Sequence[Sequence[Outcome]]) -> list[bool]:
    """For each event whether every call that carried it was accepted."""
    return [bool(outcomes) and all(outcome.is_accepted for outcome in outcomes) for outcomes in found]


def _send(sender: Sender, destination: EventDestination, call: Call) -> Answer:
    answer = sender.send(call.request, destination)
    following = destination.follow_up(call, answer)
    return _send(sender, destination, following) if following else answer
