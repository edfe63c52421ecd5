"""The pages of one list route, over HTTP: bearer token, retries, `next_page_token`.

Belongs here: asking and waiting, and what a refusal means for the reader. Does not belong here: what a row is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from headwater.configuration import RestSource, RestTable
from headwater.errors import DataError, UnavailableError
from headwater.land.rows import Columns, Page

if TYPE_CHECKING:
    from dlt.sources.helpers.requests import Client

ATTEMPTS = 6
BACKOFF_SECONDS = 0.2
MAX_WAIT_SECONDS = 60
_SHOWN = 200


def client(source: RestSource) -> Client:
    """An HTTP client that repeats 429 (after the time the tool asks for), 5xx and broken connections."""
    from dlt.sources.helpers.requests import Client

    made = Client(
        raise_for_status=False,
        request_max_attempts=ATTEMPTS,
        request_backoff_factor=BACKOFF_SECONDS,
        request_max_retry_delay=MAX_WAIT_SECONDS,
        request_timeout=60,
    )
    made.session.headers["Authorization"] = f"Bearer {source.token}"
    made.session.trust_env = False  # a .netrc entry would replace the token
    return made


def pages(http: Client, source: RestSource, name: str, table: RestTable, since: datetime | None) -> Iterator[Page]:
    """Every page of one table whose cursor is at or after `since` (UTC), oldest first.

    Raises:
        UnavailableError: the tool did not answer, or refused, after all attempts.
        DataError: the answer is not a page.
    """
    url = f"{source.base_url.rstrip('/')}/{table.path.lstrip('/')}"
    where = f"{name} ({url})"
    columns = Columns(table)
    query: dict[str, str | int] = {"limit": source.page_size}
    if since is not None:
        query["updated_since"] = f"{since.isoformat(timespec='microseconds')}Z"
    seen: set[str] = set()
    while True:
        page = columns.page(_get(http, url, query, where), where)
        yield page
        if not page.next_page_token:
            return
        if page.next_page_token in seen:
            raise DataError(f"{where} repeats the page token «{page.next_page_token}»; its pages have no end.")
        seen.add(page.next_page_token)
        query["page_token"] = page.next_page_token


def _get(http: Client, url: str, query: dict[str, str | int], where: str) -> bytes:
    import requests

    try:
        answer = http.get(url, params=query)
        body = answer.content
    except requests.RequestException as error:
        raise UnavailableError(f"{where} does not answer: {_cause(error)}.") from error
    if answer.ok:
        return bytes(body)
    said = body[:_SHOWN].decode("utf-8", "replace").replace("\n", " ").strip()
    hint = "Check the token in sources.yaml." if answer.status_code in (401, 403) else ""
    raise UnavailableError(f"{where} answered {answer.status_code}: «{said}».", hint=hint)


def _cause(error: BaseException) -> str:
    """The innermost reason in words, without the library's class names."""
    import urllib3

    reason: BaseException = error
    while True:
        inner = getattr(reason, "reason", None) or (reason.args[0] if reason.args else None)
        if not isinstance(inner, BaseException):
            break
        reason = inner
    if isinstance(reason, urllib3.exceptions.NewConnectionError | ConnectionError):
        return str(reason).rpartition(": ")[2].rstrip(".")
    return str(reason).rstrip(".")
