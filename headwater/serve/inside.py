"""The routes that show and change the platform's inside: receipts, live events, plan, destinations, replay.

Belongs here: HTTP, and who may. Does not belong here: what they tell or do; that is in `headwater.storage` and
`headwater.policy`, and replaying is in `replaying`.

Each needs an admin token (`admin_tokens` of platform.yaml) with the scope that its route names. Nothing here opens the
warehouse: receipts read log, lake, delivery stores and the read copy.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from headwater.configuration import Config
from headwater.policy.selection import is_streaming, kept_away
from headwater.serve.current import CurrentConfig
from headwater.serve.errors import ApiError
from headwater.serve.replaying import LARGEST_CHOICE, Replaying, body_of, parsed
from headwater.settings import Settings
from headwater.storage.deliveries.progress import standing
from headwater.storage.deliveries.switch import set_enabled

_BEARER = HTTPBearer(auto_error=False, description="An admin token of `admin_tokens` in config/platform.yaml.")
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
POLL_SECONDS = 0.2
KEEP_ALIVE_SECONDS = 15.0


class Switch(BaseModel):
    """Whether a destination is to be delivered to."""

    is_enabled: bool


def install(app: FastAPI, settings: Settings, current: CurrentConfig) -> None:
    """Add the routes. Each request is answered by the config in use when it came."""

    def allowed(scope: str) -> list[Any]:
        return [Depends(_require(current, scope))]

    @app.get("/v1/receipts/{message_id:path}", summary="What became of a message", dependencies=allowed("receipts"))
    async def receipt(message_id: str, payload: bool = False) -> Response:
        from headwater.storage.receipts import Arrival, as_json, find_receipt

        config = current.config

        def why_not(name: str, arrival: Arrival) -> str:
            return kept_away(config, name, arrival.source, arrival.route, arrival.type, arrival.event)

        found = await asyncio.to_thread(find_receipt, settings, message_id)
        if not found.is_known:
            raise ApiError(404, "not_found", f"No message «{message_id}» is known here.")
        return _json(as_json(found, why_not, payload=payload, is_configured=lambda name: is_streaming(config, name)))

    @app.get("/v1/live", summary="Events as they come in (server-sent events)", dependencies=allowed("live"))
    async def live(source: str = "", event: str = "", user: str = "", verdict: str = "") -> StreamingResponse:
        from headwater.storage.live import Follower, Wanted

        follower = await asyncio.to_thread(Follower, settings, Wanted(source, event, user, verdict))
        return StreamingResponse(_events(follower), media_type="text/event-stream")

    @app.get("/v1/plan", summary="The tracking plan", dependencies=allowed("plan"))
    async def plan() -> Response:
        config = current.config
        return _json({"plan": config.plan, "events": config.tracking_plan})

    def told(config: Config, name: str) -> dict[str, Any]:
        found = config.destinations.get(name)
        return vars(standing(settings, config, name)) | {"description": found.description if found else ""}

    @app.get("/v1/destinations", summary="Streaming destinations", dependencies=allowed("destinations"))
    async def destinations() -> Response:
        """Whether each is on, how many events it was given, how many are dead letters, and what goes wrong."""
        config = current.config
        names = sorted({name for name, found in config.destinations.items() if found.stream} | set(config.unusable))
        return _json(await asyncio.to_thread(lambda: [told(config, name) for name in names]))

    @app.put(
        "/v1/destinations/{name}",
        summary="Switch one on or off",
        dependencies=allowed("destinations"),
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": Switch.model_json_schema()}}}
        },
    )
    async def switch(name: str, request: Request) -> Response:
        wanted = parsed(Switch, await body_of(request, LARGEST_CHOICE))
        config = current.config
        found = config.destinations.get(name)
        if name not in config.unusable and (found is None or found.stream is None):
            known = ", ".join(n for n, d in config.destinations.items() if d.stream) or "none"
            raise ApiError(404, "not_found", f"There is no streaming destination «{name}»; there are: {known}.")
        await asyncio.to_thread(set_enabled, settings, name, wanted.is_enabled)
        return _json(await asyncio.to_thread(told, config, name))

    replaying = Replaying(settings)

    @app.post(
        "/v1/replay",
        summary="Put events through again that did not get through",
        dependencies=allowed("replay"),
        openapi_extra={"requestBody": {"required": True, "content": replaying.documented()}},
    )
    async def replay(request: Request) -> Response:
        """What was kept aside, or a destination's dead letters, each event once. A choice (JSON) takes the words of
        `headwater replay`: `quarantine` or `destination`, then `reason`, `source`, `event`, `since`, `until`, `ids`;
        the answer comes when it is done, and a caller that goes away does not stop it. Or quarantined rows themselves,
        mended perhaps (NDJSON, as `headwater replay --quarantine --export` writes them)."""
        return await replaying.answer(request)


def _require(current: CurrentConfig, scope: str) -> Callable[[_Credentials], None]:
    def require(given: _Credentials) -> None:
        sent = given.credentials.encode() if given else b""
        tokens = current.config.platform.admin_tokens
        found = [token for token in tokens if hmac.compare_digest(token.token.encode(), sent)]
        if not found:
            message = "Send `Authorization: Bearer <admin token>`." if given is None else "This token is not known."
            raise ApiError(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})
        if not any(scope in token.scopes for token in found):
            raise ApiError(403, "missing_scope", f"This token lacks the scope «{scope}».")

    return require


async def _events(follower: Any) -> AsyncIterator[bytes]:
    """New events, until sending fails because the reader has gone; a comment now and then keeps the line alive, and
    finds that out. Asking whether the reader is there would read the request beside Starlette, which does."""
    quiet = 0.0
    while True:
        found = await asyncio.to_thread(list, follower.new())
        for seen in found:
            yield b"data: " + msgspec.json.encode(seen) + b"\n\n"
        quiet = 0.0 if found else quiet + POLL_SECONDS
        if quiet >= KEEP_ALIVE_SECONDS:
            quiet = 0.0
            yield b": quiet\n\n"
        await asyncio.sleep(POLL_SECONDS)


def _json(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
