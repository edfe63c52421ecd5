"""The profile API: routes, tokens, and the answer's shape.

Belongs here: HTTP. Does not belong here: Redis (`headwater.serve.online`), the process (`server`). Imports neither
duckdb nor pandas, nor anything else that makes starting slow.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, Path, Response
from fastapi.responses import HTMLResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from headwater import __version__
from headwater.configuration import Config
from headwater.policy.identifiers import normal
from headwater.serve import docs, errors, inside
from headwater.serve.current import CurrentConfig
from headwater.serve.errors import ApiError
from headwater.serve.online import Online
from headwater.settings import Settings
from headwater.storage import report_page
from headwater.storage.online import Found, Pushed

# It may show its own style and nothing from elsewhere; its address, which has the key, goes nowhere.
_FOR_A_PAGE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_BEARER = HTTPBearer(auto_error=False, description="A token of `api_tokens` in config/platform.yaml.")
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


class Problem(BaseModel):
    """Any answer that is not 200."""

    code: str
    message: str


class Profile(BaseModel):
    """A person as of the last push: every identifier, and the columns of `marts.customer_activation`."""

    customer_id: str
    as_of: datetime | None
    pushed_at: datetime | None
    age_seconds: float | None
    model_version: str | None
    ids: dict[str, list[str]]
    profile: dict[str, Any]
    session: dict[str, Any] | None = None
    version: int


class Health(BaseModel):
    """Whether requests can be answered, and how old what they answer is."""

    status: str
    people: int | None
    as_of: datetime | None
    pushed_at: datetime | None
    age_seconds: float | None


def create_app(current: CurrentConfig, online: Online, settings: Settings) -> FastAPI:
    """The API as an ASGI application. Its documentation lists the id types that there are now."""
    app = FastAPI(
        title="Headwater profile API", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    errors.install(app)

    def require_token(given: _Credentials) -> None:
        tokens = [token.encode() for token in current.config.platform.api_tokens]
        if given is None or not _is_known(given.credentials.encode(), tokens):
            message = "Send `Authorization: Bearer <token>`." if given is None else "This token is not known."
            raise ApiError(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})

    @app.get(
        "/v1/profiles/{id_type}/{id:path}",
        summary="The profile of the person whom an identifier names",
        dependencies=[Depends(require_token)],
        response_model=None,
        responses={200: {"model": Profile}, **{status: {"model": Problem} for status in (400, 401, 404, 503)}},
    )
    async def profile(
        id_type: str = Path(description=f"One of: {', '.join(_id_types(current.config))}."),
        id_: str = Path(alias="id", description="The identifier, percent-encoded; may hold any character."),
    ) -> Response:
        config = current.config
        id_types = _id_types(config)
        if id_type not in id_types:
            raise ApiError(404, "unknown_id_type", f"«{id_type}» is no id type; there are: {', '.join(id_types)}.")
        known = config.identity.id_types.get(id_type)
        value = normal(known, id_, config.identity.default_region) if known else id_.strip()
        found = await online.find(id_type, value) if value else None
        if found is None:
            raise ApiError(404, "not_found", f"Nobody is known by this {id_type}.")
        return Response(render(found, time.time()), media_type="application/json")

    @app.get("/health", summary="Whether requests can be answered", responses={503: {"model": Problem}})
    async def health() -> Health:
        pushed = await online.pushed()
        about = freshness(pushed, time.time())
        about.pop("model_version")
        return Health(status="ok", people=pushed.people if pushed else None, **about)

    @app.get("/version", summary="The version of this service")
    async def version() -> dict[str, str]:
        return {"version": __version__}

    inside.install(app, settings, current)

    @app.get(
        report_page.ROUTE,
        summary="The report for the people who lead the company",
        response_class=HTMLResponse,
        responses={status: {"model": Problem} for status in (401, 404)},
    )
    async def report(key: str = "", given: _Credentials = None) -> Response:
        """A page for a browser, which sends no token: the link that Dagster shows at the asset `marts/report` has a key
        instead. An API token does as well."""
        if given is not None or not report_page.may_open(settings, key):
            require_token(given)
        try:
            page = await asyncio.to_thread(report_page.page_file(settings).read_bytes)
        except FileNotFoundError:
            raise ApiError(404, "not_found", "No report was written yet: a run of the graph writes it.") from None
        return Response(page, media_type="text/html; charset=utf-8", headers=_FOR_A_PAGE)

    @app.get("/docs", include_in_schema=False)
    async def documentation() -> HTMLResponse:
        return HTMLResponse(docs.page(app.openapi()))

    return app


def render(found: Found, now: float) -> bytes:
    """The answer's body. The profile was rendered when it was pushed, so it is only put between its neighbours."""
    head = msgspec.json.encode(freshness(found.pushed, now))
    session = b',"session":' + found.session if found.session else b""
    return head[:-1] + b"," + found.profile[1:-1] + session + b"}"


def freshness(pushed: Pushed | None, now: float) -> dict[str, Any]:
    """How old the store's content is; `age_seconds` counts from the push."""
    if pushed is None:
        return {"as_of": None, "pushed_at": None, "age_seconds": None, "model_version": None}
    age = now - datetime.fromisoformat(pushed.pushed_at).timestamp()
    return {
        "as_of": pushed.as_of,
        "pushed_at": pushed.pushed_at,
        "age_seconds": round(max(0.0, age), 1),
        "model_version": pushed.model_version,
    }


def _id_types(config: Config) -> list[str]:
    """Those that a profile is asked for by; every profile has a `customer_id`."""
    return [*(name for name in config.identity.id_types if name != "customer_id"), "customer_id"]


def _is_known(given: bytes, tokens: list[bytes]) -> bool:
    """Compare with every token in constant time, so that answers tell nothing about any of them."""
    return sum(hmac.compare_digest(given, token) for token in tokens) > 0
