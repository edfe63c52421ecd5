"""`headwater explain person`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from headwater.configuration import Identity
from headwater.errors import UnavailableError, UsageError
from headwater.match.command import explain
from headwater.match.resolve import customer_id, resolve
from headwater.settings import load_settings
from headwater.storage.warehouse import connect, ensure_schemas, publish


@pytest.fixture
def published(home: Path, identity: Identity) -> Iterator[Path]:
    """A home whose read copy knows ann, bob and the tablet they share."""
    settings = load_settings(home)
    with connect(settings, purpose="test") as con:
        ensure_schemas(con)
        for row, (user, email) in enumerate([("ann", "Ann@example.com"), ("bob", "bob@example.com")]):
            con.execute(
                "insert into raw.events (type, user_id, anonymous_id, payload, lake_object, row_number) values "
                "('identify', ?, 'tablet', json_object('traits', json_object('email', ?)), ?, ?)",
                [user, email, "events/x/0000000001-1767225600000.parquet", row],
            )
        resolve(con, identity)
    publish(settings)
    yield home


def _explain(home: Path, identifier: str) -> str:
    result = CliRunner().invoke(explain, ["person", identifier, "--home", str(home)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_a_person_is_shown_with_ties_refusals_and_the_age_of_the_copy(published: Path) -> None:
    text = _explain(published, "email:ANN@example.com")
    assert f"customer_id {customer_id('user_id', 'ann')}" in text
    assert "user_id ann + email ann@example.com  (raw.events, landed 2026-01-01 00:00:00 UTC)" in text
    assert (
        "user_id bob + anonymous_id tablet  (raw.events, landed 2026-01-01 00:00:00 UTC): anonymous_id is tied" in text
    )
    assert "From the read copy of " in text and "(0 minutes old)." in text


def test_a_person_is_found_by_its_own_id(published: Path) -> None:
    assert "user_id       bob" in _explain(published, f"customer_id:{customer_id('user_id', 'bob')}")


def test_an_unknown_identifier_names_the_types_there_are(published: Path) -> None:
    with pytest.raises(UsageError, match=r"No person has the phone «1».* anonymous_id, customer_id, email, user_id"):
        _explain(published, "phone:1")
    with pytest.raises(UsageError, match="is not TYPE:ID"):
        _explain(published, "ann")


def test_without_a_read_copy_it_says_how_to_make_one(home: Path) -> None:
    with pytest.raises(UnavailableError, match="headwater publish"):
        _explain(home, "user_id:ann")
