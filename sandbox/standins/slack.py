"""A stand-in of Slack's incoming webhooks: `/slack/services/T…/B…/…`.

Belongs here: what Slack refuses, in its one word. Does not belong here: channels.
"""

from __future__ import annotations

import math
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sandbox.standins.base import Handler, Standin, read_json
from sandbox.tools.rules import TOKEN

TEAM, HOOK = "T0SANDBOX", "B0SANDBOX"
ARCHIVED = "B0ARCHIVED"
LONGEST_TEXT, LONGEST_BLOCK_TEXT, MOST_BLOCKS = 40_000, 3_000, 50
BLOCKS = {"actions", "context", "divider", "file", "header", "image", "rich_text", "section", "video"}


class Slack(Standin):
    """One message a second. Each is kept, also one that was there before: Slack knows none again."""

    name = "slack"
    title = "Slack"
    rate = 1.0

    def paths(self) -> list[tuple[str, str, Handler]]:
        return [("POST", "/services/{team}/{hook}/{secret}", self.message)]

    def rate_limited(self, seconds: float) -> Response:
        wait = max(1, math.ceil(seconds))
        content = {"retry_after": wait, "ok": False, "error": "rate_limited"}
        return JSONResponse(content, 429, {"Retry-After": str(wait)})

    def message(self, request: Request, body: bytes) -> Response:
        """One message."""
        team, hook, secret = (request.path_params[name] for name in ("team", "hook", "secret"))
        if team != TEAM:
            return PlainTextResponse("no_team", 404)
        if hook == ARCHIVED:
            return PlainTextResponse("channel_is_archived", 410)
        if hook != HOOK:
            return PlainTextResponse("no_service", 404)
        if secret != TOKEN:
            return PlainTextResponse("invalid_token", 403)
        sent = read_json(body)
        fault = wrong(sent)
        if fault:
            return PlainTextResponse(fault, 400)
        self.keep([("message", None, None, sent)])
        return PlainTextResponse("ok")


def wrong(sent: Any) -> str:
    """Slack's word for what is wrong with a message."""
    if not isinstance(sent, dict):
        return "invalid_payload"
    text, blocks = sent.get("text"), sent.get("blocks")
    if text is not None and not isinstance(text, str):
        return "invalid_payload"
    if not text and not blocks:
        return "no_text"
    if text and len(text) > LONGEST_TEXT:
        return "msg_too_long"
    if blocks is not None:
        is_list = isinstance(blocks, list) and len(blocks) <= MOST_BLOCKS
        if not is_list or not all(isinstance(b, dict) and b.get("type") in BLOCKS and fits(b) for b in blocks):
            return "invalid_blocks"
    return ""


def fits(block: dict[str, Any]) -> bool:
    """Whether a block's text is one that may be shown."""
    text = block.get("text")
    if block["type"] == "section" and text is None and not block.get("fields"):
        return False
    if text is None:
        return True
    said = text.get("text") if isinstance(text, dict) else None
    is_kind = isinstance(text, dict) and text.get("type") in ("mrkdwn", "plain_text")
    return is_kind and isinstance(said, str) and 0 < len(said) <= LONGEST_BLOCK_TEXT
