"""The one error of the sandbox: a sentence for the person at the terminal."""

from __future__ import annotations


class SandboxError(Exception):
    """Something the user can put right; printed as it stands, without a traceback."""
