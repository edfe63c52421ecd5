"""The report's page where it is kept, and the link by which a browser may open it.

Belongs here: the file, the key of its link. Does not belong here: what the page shows (`headwater.report`) or HTTP
(`headwater.serve`).

A browser that follows a link sends no token, and the page is not for everybody who reaches the port: the link carries a
key of its own, made once for a home. Whoever has the link may read the page and nothing else.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from headwater.settings import Settings

ROUTE = "/report"


def page_file(settings: Settings) -> Path:
    """Where the page is once it was written."""
    return settings.report_dir / "index.html"


def link(settings: Settings) -> str:
    """The address at which the profile API answers with the page. It stays the same until the key's file is deleted."""
    key = _key_file(settings)
    key.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(24))
    except FileExistsError:
        pass
    return f"{settings.api_url}{ROUTE}?key={key.read_text(encoding='ascii')}"


def may_open(settings: Settings, key: str) -> bool:
    """Whether this is the link's key. None is, before there is a link."""
    try:
        known = _key_file(settings).read_bytes()
    except FileNotFoundError:
        return False
    return bool(known) and hmac.compare_digest(known, key.encode())


def _key_file(settings: Settings) -> Path:
    return settings.report_dir / "link.key"
