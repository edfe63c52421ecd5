"""Secrets that the sandbox is given by a variable: each call is signed with its own, an option comes first."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sandbox.__main__ import main
from sandbox.hooks.outbox import Outbox
from sandbox.hooks.signing import SECRETS
from sandbox.tools import server


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the tools sign with, by source: as `serve` was started."""
    given: list[Outbox] = []
    monkeypatch.setattr(server, "serve", lambda *_, outbox, **__: given.append(outbox))
    monkeypatch.setenv("SANDBOX_HOOK_SECRETS", "email_activity=with=sign and space\nsurvey=\n\nmarketplace=variable\n")
    words = ["serve", "--dir", str(tmp_path), "--hooks", "--hook-secret", "marketplace=option"]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (outbox,) = given
    outbox.close()
    return outbox.secrets


def test_a_secret_of_the_variable_is_taken_an_empty_one_stays_the_examples_and_an_option_comes_first(
    secrets: dict[str, str],
) -> None:
    assert secrets == SECRETS | {"email_activity": "with=sign and space", "marketplace": "option"}
