"""Who may call what is not for senders of events: tokens with scopes.

Belongs here: checking a request's token. Does not belong here: which tokens there are (`platform.yaml`).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

from headwater.collect.request import RefusedError
from headwater.configuration import AdminToken


def require_scope(tokens: Sequence[AdminToken], headers: Mapping[bytes, bytes], scope: str) -> None:
    """Let a request pass whose `Authorization: Bearer` token may do `scope`.

    Raises:
        RefusedError: 401 without a known token, 403 when it lacks the scope.
    """
    kind, _, given = headers.get(b"authorization", b"").partition(b" ")
    found = [token for token in tokens if hmac.compare_digest(token.token.encode(), given.strip())]
    if kind.lower() != b"bearer" or not given.strip() or not found:
        text = "Send Authorization: Bearer with an admin token of platform.yaml."
        raise RefusedError(401, "unknown_token", text, headers={"WWW-Authenticate": "Bearer"})
    if not any(scope in token.scopes for token in found):
        raise RefusedError(403, "missing_scope", f"This token lacks the scope «{scope}».")
