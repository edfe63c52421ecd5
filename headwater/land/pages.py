"""The pages of one list route, over HTTP: who we are, retries, how the next page is found, where the pages have no end.

Belongs here: asking and waiting, and what a refusal means for the reader. Does not belong here: what a row is (`rows`),
which rows are news (`places`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import msgspec

from headwater.configuration import Paging, RestSource, RestTable
from headwater.errors import DataError, UnavailableError

if TYPE_CHECKING:
    from dlt.sources.helpers.requests import Client

ATTEMPTS = 6
BACKOFF_SECONDS = 0.2
MAX_WAIT_SECONDS = 60
REPEATED_PAGES = 3
EMPTY_PAGES = 20
_SHOWN = 200


def client(source: RestSource) -> Client:
    """An HTTP client that repeats 429 (after the time the tool asks for), 5xx and broken connections."""
    from dlt.sources.helpers.requests import Client

    made = Client(
        raise_for_status=False,
        request_max_attempts=ATTEMPTS,
        request_backoff_factor=BACKOFF_SECONDS,
        request_max_retry_delay=MAX_WAIT_SECONDS,
        request_timeout=source.timeout_seconds,
    )
    made.session.headers.update(source.headers)
    made.session.trust_env = False  # a .netrc entry would replace the token
    auth = source.auth
    if auth is None or auth.kind == "bearer":
        made.session.headers["Authorization"] = f"Bearer {auth.token if auth else source.token}"
    elif auth.kind == "basic":
        made.session.auth = (auth.username, auth.token)
    elif auth.kind == "header":
        made.session.headers[auth.name] = auth.token
    return made


def pages(
    http: Client,
    source: RestSource,
    table: RestTable,
    where: str,
    since: datetime | date | int | str | None,
    until: datetime | date | int | str | None = None,
) -> Iterator[msgspec.Raw]:
    """The list of rows of each page, as JSON, whose cursor is at or after `since` (UTC).

    Args:
        where: what is asked, for the sentences of errors.
        until: rows with this cursor or a later one are not wanted; a tool without `until_param` sends them anyway.

    Raises:
        UnavailableError: the tool did not answer, or refused, after all attempts.
        DataError: the answer is not a page, or the pages have no end.
    """
    paging = source.paging
    url = f"{source.base_url.rstrip('/')}/{table.path.lstrip('/')}" if table.path else source.base_url
    query: dict[str, Any] = {**table.params}
    if source.auth is not None and source.auth.kind == "query":
        query[source.auth.name] = source.auth.token
    if paging.size_param:
        query[paging.size_param] = source.page_size
    for param, value in ((paging.since_param, since), (paging.until_param, until)):
        if param and value is not None:
            query[param] = told(value, paging)
    walk = _Walk(paging, where)
    number, offset = paging.first, 0
    while True:
        if paging.kind in ("page", "offset"):
            query[paging.param] = number if paging.kind == "page" else offset
        rows, following, link = _page(http, url, query, where, paging)
        count = walk.step(rows, following or link)
        if paging.kind == "page" and walk.follows_short(count):
            # a page that was cut short, and is not the last: what it should have held is nowhere else
            short = {**query, paging.param: number - 1}
            yield _page(http, url, short, where, paging)[0]
        yield rows
        if paging.kind == "single" or (paging.kind in ("page", "offset") and not count):
            return
        number, offset = number + 1, offset + count
        if paging.kind == "token":
            if not following:
                return
            query[paging.param] = following
        elif paging.kind == "link":
            target = following or link
            if not target:
                return
            url, query = _same_host(target, url, where), {}


def told(value: datetime | date | int | str, paging: Paging) -> str | int:
    """A cursor as the tool wants to read it."""
    if isinstance(value, datetime):
        seconds = value.replace(tzinfo=UTC).timestamp()
        formats: dict[str, str | int] = {
            "iso": f"{value.isoformat(timespec='microseconds')}Z",
            "epoch": int(seconds),
            "epoch_ms": int(seconds * 1000),
            "date": value.date().isoformat(),
        }
        return formats[paging.since_format]
    return value.isoformat() if isinstance(value, date) else value


class _Walk:
    """What was seen of a listing, to notice one that has no end."""

    def __init__(self, paging: Paging, where: str) -> None:
        self._paging, self._where = paging, where
        self._tokens: set[str] = set()
        self._pages: set[bytes] = set()
        self._repeated = self._empty = 0
        self._most = 0
        self._was_short = False

    def step(self, rows: msgspec.Raw, following: str) -> int:
        """How many rows a page has.

        Raises:
            DataError: these pages come again and again.
        """
        if following and self._paging.kind in ("token", "link"):
            if following in self._tokens:
                raise DataError(f"{self._where} repeats the page token «{following}»; its pages have no end.")
            self._tokens.add(following)
        count = len(msgspec.json.decode(rows, type=list[msgspec.Raw]))
        digest = hashlib.sha256(rows).digest()
        self._repeated = self._repeated + 1 if count and digest in self._pages else 0
        self._empty = 0 if count else self._empty + 1
        self._pages.add(digest)
        if self._repeated >= REPEATED_PAGES or self._empty >= EMPTY_PAGES:
            what = "the same rows" if self._repeated else "empty pages"
            raise DataError(f"{self._where} answers {what} under ever new page numbers; its pages have no end.")
        return count

    def follows_short(self, count: int) -> bool:
        """Whether the page before was shorter than others although this one has rows."""
        before, self._was_short = self._was_short, count < self._most
        self._most = max(self._most, count)
        return before and count > 0


def _page(http: Client, url: str, query: dict[str, Any], where: str, paging: Paging) -> tuple[msgspec.Raw, str, str]:
    """Rows, what the body says of the next page, and what the header Link says. A body that is cut off is asked for
    again."""
    for attempt in range(1, ATTEMPTS + 1):
        body, link = _get(http, url, query, where)
        rows: msgspec.Raw | None = None
        try:
            rows = _at(body, paging.rows)
            following = _at(body, paging.next) if paging.next and paging.rows else None
            list_of = msgspec.json.decode(rows, type=list[msgspec.Raw]) if rows is not None else None
        except msgspec.ValidationError:
            list_of = None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if attempt < ATTEMPTS:
                time.sleep(BACKOFF_SECONDS * attempt)
                continue
            raise DataError(f"{where} answered something that is not JSON ({error}): {_shown(body)}") from error
        if rows is None or list_of is None:
            raise DataError(f"{where} answered JSON without a list of rows in «{paging.rows}»: {_shown(body)}")
        value = msgspec.json.decode(following) if following is not None else None
        if not isinstance(value, str | int | None):
            raise DataError(f"{where} answered a next page that is neither text nor number: {_shown(body)}")
        return rows, "" if value is None else str(value), link
    raise AssertionError


def _at(body: bytes | msgspec.Raw, path: str) -> msgspec.Raw | None:
    found: Any = msgspec.Raw(body)
    for step in path.split(".") if path else ():
        found = msgspec.json.decode(found, type=dict[str, msgspec.Raw]).get(step)
        if found is None:
            return None
    return found


def _get(http: Client, url: str, query: dict[str, Any], where: str) -> tuple[bytes, str]:
    import requests

    try:
        answer = http.get(url, params=query)
        body = answer.content
    except requests.RequestException as error:
        raise UnavailableError(f"{where} does not answer: {_cause(error)}.") from error
    if answer.ok:
        return bytes(body), answer.links.get("next", {}).get("url", "")
    said = body[:_SHOWN].decode("utf-8", "replace").replace("\n", " ").strip()
    hint = "Check the token in sources.yaml." if answer.status_code in (401, 403) else ""
    raise UnavailableError(f"{where} answered {answer.status_code}: «{said}».", hint=hint)


def _same_host(target: str, url: str, where: str) -> str:
    target = urljoin(url, target)
    if urlsplit(target)[:2] != urlsplit(url)[:2]:
        raise DataError(f"{where} names a next page on another host: {target}; our token does not go there.")
    return target


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


def _shown(body: bytes) -> str:
    """What came, without what it may say of people: of JSON its size and the names on top."""
    if body.lstrip()[:1] in (b"{", b"["):
        try:
            names = list(msgspec.json.decode(body, type=dict[str, msgspec.Raw]))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return f"{len(body):,} bytes that begin as JSON"
        return f"{len(body):,} bytes of JSON with {', '.join(names) or 'nothing in it'}"
    text = body[:_SHOWN].decode("utf-8", "replace").replace("\n", " ").strip()
    return f"«{text}{'…' if len(body) > _SHOWN else ''}»"
