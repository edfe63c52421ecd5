"""Every error answer of the API: one JSON shape, `{"code": …, "message": …}`.

Belongs here: turning exceptions into answers. Does not belong here: deciding that something is an error.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from headwater.errors import UnavailableError

RETRY_AFTER_SECONDS = 2
_CODES = {404: "not_found", 405: "method_not_allowed"}


class ApiError(Exception):
    """An answer that is not 200.

    Args:
        status: the HTTP status.
        code: a word that programs compare; it never changes.
        message: a sentence for people.
    """

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


def answer(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error answer."""
    return JSONResponse({"code": code, "message": message}, status, headers)


def install(app: FastAPI) -> None:
    """Give every exception its answer."""

    @app.exception_handler(ApiError)
    async def api_error(_: Request, error: ApiError) -> JSONResponse:
        return answer(error.status, error.code, error.message, error.headers)

    @app.exception_handler(UnavailableError)
    async def unavailable(_: Request, error: UnavailableError) -> JSONResponse:
        return answer(503, "unavailable", str(error), {"Retry-After": str(RETRY_AFTER_SECONDS)})

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return answer(400, "bad_request", f"{where}: {first['msg']}.")

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "error")
        message = {"not_found": "There is nothing at this path; see /docs."}.get(code, str(error.detail))
        return answer(error.status_code, code, message, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def defect(_: Request, error: Exception) -> JSONResponse:
        return answer(500, "internal", "The service failed; its log has the details.")
