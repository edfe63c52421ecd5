"""`POST /v1/replay`: a replay by choice, or of rows that are sent along.

Belongs here: the request's two forms, and the command's answer as HTTP. Does not belong here: any replay: rows go to
the collector, which alone writes the log; a choice goes to `headwater replay`, in a process of its own, because reading
the lake or talking to a tool would hold up requests.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, ValidationError

from headwater.errors import BusyError, ConfigError, DataError, UnavailableError, UsageError
from headwater.event import moment
from headwater.serve.errors import ApiError
from headwater.settings import Settings

MOST_IDS = 500
DRAINED = 64 << 20  # bytes that are taken before a refusal: a client that still sends would not read it
ROWS = "application/x-ndjson"
LARGEST_CHOICE = 1024 * 1024
LARGEST_ROWS = 32 * 1024 * 1024
Model = TypeVar("Model", bound=BaseModel)
_COMMAND = str(Path(sys.executable).with_name("headwater"))
# by what the command's exit code says
_ANSWERS = {
    BusyError.exit_code: (409, "busy"),
    UnavailableError.exit_code: (503, "unavailable"),
    DataError.exit_code: (422, "data"),
    ConfigError.exit_code: (400, "bad_request"),
    UsageError.exit_code: (400, "bad_request"),
}


def _plain(text: str) -> str:
    if "\0" in text or not text.strip() or text.encode("utf-8", "ignore").decode() != text:
        raise ValueError("must be a text that a command can take")
    return text


def _time(text: str) -> str:
    if moment(text) is None:
        raise ValueError("must be an ISO 8601 date or time")
    return text


_Text = Annotated[str, Field(max_length=1024), AfterValidator(_plain)]
_Time = Annotated[str, Field(max_length=64), AfterValidator(_plain), AfterValidator(_time)]


class ReplayChoice(BaseModel):
    """What to replay, in the words of the command: `quarantine` or `destination`; all of what else is given holds."""

    model_config = ConfigDict(extra="forbid")

    quarantine: StrictBool = False
    destination: _Text | None = None
    reason: _Text | None = None
    source: _Text | None = None
    event: _Text | None = None
    since: _Time | None = None
    until: _Time | None = None
    ids: list[_Text] = Field(default=[], max_length=MOST_IDS)
    dry_run: StrictBool = False

    def words(self) -> list[str]:
        """The command's arguments. Values stand behind their option's `=`, so none is taken for an option."""
        words = ["--quarantine"] if self.quarantine else []
        for name in ("destination", "reason", "source", "event", "since", "until"):
            value = getattr(self, name)
            words += [f"--{name}={value}"] if value is not None else []
        return [*words, *(f"--id={one}" for one in self.ids), *(["--dry-run"] if self.dry_run else [])]


class Replaying:
    """The route. One replay by choice at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()

    def documented(self) -> dict[str, Any]:
        """What the route takes, for the API's documentation."""
        rows = {"type": "string", "description": "A row a line, as `headwater replay --quarantine --export` writes."}
        return {"application/json": {"schema": ReplayChoice.model_json_schema()}, ROWS: {"schema": rows}}

    async def answer(self, request: Request) -> Response:
        """What the command or the collector tells.

        Raises:
            ApiError: 400 when the choice cannot be meant, 409 while another one is under way, 413, 422, 503.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == ROWS:
            return await self._forward(request, await body_of(request, LARGEST_ROWS))
        choice = _choice(await body_of(request, LARGEST_CHOICE))
        if self._turn.locked():
            raise ApiError(409, "busy", "A replay is going on. Wait until that is done.", {"Retry-After": "2"})
        return await asyncio.shield(self._run(choice))

    async def _run(self, choice: ReplayChoice) -> Response:
        async with self._turn:
            process = await asyncio.create_subprocess_exec(
                *(_COMMAND, "replay", "--json", *choice.words()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._settings.environment(),
            )
            said, why = await process.communicate()
        if process.returncode == 0:
            return Response(said, media_type="application/json")
        _, marked, text = why.decode("utf-8", "replace").rpartition("headwater: ")
        status, code = _ANSWERS.get(process.returncode or 0, (500, "internal"))
        if status == 500 or not marked:
            raise RuntimeError(f"headwater replay ended with {process.returncode}: {text[-2000:]}")
        raise ApiError(status, code, text.strip(), {"Retry-After": "2"} if status in (409, 503) else None)

    async def _forward(self, request: Request, rows: bytes) -> Response:
        import httpx

        headers = {"Authorization": request.headers["authorization"], "Content-Type": ROWS}
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
                answer = await client.post(f"{self._settings.collector_url}/v1/replay", content=rows, headers=headers)
        except httpx.TransportError as error:
            text = f"The collector does not answer: {error}."
            raise ApiError(503, "unavailable", text, {"Retry-After": "2"}) from error
        return Response(answer.content, answer.status_code, media_type="application/json")


async def body_of(request: Request, most: int) -> bytes:
    """What was sent, of whatever content type.

    Raises:
        ApiError: 413, it is longer than `most` bytes.
    """
    body, length = b"", 0
    async for part in request.stream():
        length += len(part)
        if length <= most:
            body += part
        elif length > DRAINED:
            break
    if length > most:
        raise ApiError(413, "too_large", f"This request may hold {most:,} bytes.")
    return body


def parsed(model: type[Model], body: bytes, otherwise: str = "") -> Model:
    """A body of JSON, whatever content type it came with (curl's own is a form's).

    Raises:
        ApiError: 400, it is no JSON (then `otherwise` says more) or not of that shape.
    """
    try:
        return model.model_validate(json.loads(body))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ApiError(400, "bad_request", f"{where or 'body'}: {first['msg']}.") from error
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "bad_request", f"The body is not JSON{otherwise}.") from error


def _choice(body: bytes) -> ReplayChoice:
    choice = parsed(ReplayChoice, body, f"; rows are sent as {ROWS}")
    if choice.quarantine == bool(choice.destination):
        raise ApiError(400, "bad_request", "Say what to replay: quarantine (true) or a destination (its name).")
    if choice.dry_run and not choice.quarantine:
        raise ApiError(400, "bad_request", "dry_run goes only with quarantine.")
    return choice
