"""What the tools take for an address."""

from __future__ import annotations

import pytest

from sandbox.tools.rules import is_email


@pytest.mark.parametrize("text", ["a@example.com", "first.last+tag@mail.example.co.uk", "O'Neil@example.org"])
def test_addresses_are_taken(text: str) -> None:
    assert is_email(text)


@pytest.mark.parametrize(
    "text",
    ["", "a", "a@b", "a@@example.com", "a at example.com", "a@.example.com", "a b@example.com", "a@x..com", None],
)
def test_others_are_refused(text: object) -> None:
    assert not is_email(text)
