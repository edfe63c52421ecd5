"""`headwater explain person`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from headwater.configuration import Identity, Override, load_config
from headwater.errors import UnavailableError, UsageError
from headwater.match.command import explain
from headwater.match.resolve import resolve
from headwater.match.writing import customer_id
from headwater.settings import load_settings
from headwater.storage.warehouse import connect, ensure_schemas, publish

FIRST, SECOND = (f"events/received_date=2026-01-01/000000000{n}-176722560{n}000.parquet" for n in (1, 2))
INSERT = (
    "insert into raw.events (type, user_id, anonymous_id, payload, lake_object, row_number) values "
    "('identify', ?, ?, json_object('traits', json_object('email', ?)), ?, ?)"
)


@pytest.fixture
def published(home: Path, identity: Identity) -> Iterator[Path]:
    """A home whose read copy knows ann, bob and the tablet they share; ann was two people until her second login."""
    settings = load_settings(home)
    identity.include.append(Override(ids=["user_id:ann", "email:ANN@work.example.com"], reason="She wrote to us."))
    with connect(settings, purpose="test") as con:
        ensure_schemas(con)
        con.execute(INSERT, ["ann", "tablet", "Ann@example.com", FIRST, 0])
        con.execute(INSERT, ["bob", "tablet", "bob@example.com", FIRST, 1])
        con.execute(INSERT, [None, "phone", None, FIRST, 2])
        con.execute("insert into raw.crm__contacts (id, email, account_id) values ('c1', 'ann@example.com', 'acc_1')")
        resolve(con, identity, datetime(2026, 1, 2))
        con.execute(INSERT, ["ann", "phone", "ann@work.example.com", SECOND, 7])
        resolve(con, identity, datetime(2026, 1, 3))
    publish(settings)
    yield home


def _explain(home: Path, identifier: str, *options: str) -> str:
    words = ["person", identifier, "--home", str(home), *options]
    result = CliRunner().invoke(explain, words, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_a_person_is_shown_with_the_row_of_every_tie_refusals_and_the_age_of_the_copy(published: Path) -> None:
    text = _explain(published, "email:ANN@example.com")
    assert "user_id ann + email ann@example.com\n" in text
    assert f"raw.events, {FIRST} row 0, landed 2026-01-01 00:00:01 UTC" in text
    assert f"user_id ann + anonymous_id phone\n      raw.events, {SECOND} row 7," in text
    assert "crm_id c1 + email ann@example.com\n      raw.crm__contacts, no lake object" in text
    assert "user_id bob + anonymous_id tablet: anonymous_id is tied to 1 user_id already" in text
    assert "user_id ann + email ann@work.example.com\n      identity.yaml" in text
    assert "include user_id ann + email ann@work.example.com: She wrote to us." in text
    assert "account acc_1  (raw.crm__contacts)" in text
    assert "From the read copy of " in text and "(0 minutes old)." in text


def test_merges_are_told_and_a_former_id_leads_to_the_person(published: Path) -> None:
    former = customer_id("anonymous_id", "phone")
    text = _explain(published, f"customer_id:{former}")
    assert f"customer_id {former} ended 2026-01-03 00:00:00 UTC and leads to:\n" in text
    assert f"merge of {former} into " in text and "anonymous_id phone" in text
    assert _explain(published, former) == text


def test_a_person_is_found_by_any_identifier_without_its_type(published: Path) -> None:
    assert "user_id       bob" in _explain(published, "bob")
    assert "user_id       bob" in _explain(published, " Bob@Example.com")
    assert "user_id       bob" in _explain(published, customer_id("user_id", "bob"))


def test_a_value_that_names_several_people_asks_for_its_type(home: Path, identity: Identity) -> None:
    settings = load_settings(home)
    with connect(settings, purpose="test") as con:
        ensure_schemas(con)
        con.execute(INSERT, ["7", None, None, FIRST, 0])
        con.execute("insert into raw.crm__contacts (id) values ('7')")
        resolve(con, identity)
    publish(settings)
    with pytest.raises(UsageError, match=r"«7» names several people\. Name the type: user_id:7, crm_id:7"):
        _explain(home, "7")


def test_an_unknown_identifier_names_the_types_there_are(published: Path) -> None:
    with pytest.raises(UsageError, match=r"No person has the phone «1».* anonymous_id, crm_id, customer_id, email"):
        _explain(published, "phone:1")
    with pytest.raises(UsageError, match="No person has the identifier «carl»"):
        _explain(published, "carl")
    with pytest.raises(UsageError, match="is empty"):
        _explain(published, " ")


def test_without_a_read_copy_it_says_how_to_make_one(home: Path) -> None:
    with pytest.raises(UnavailableError, match="headwater publish"):
        _explain(home, "user_id:ann")


def test_a_device_of_many_is_told_in_part_with_the_count_of_the_rest(published: Path) -> None:
    settings = load_settings(published)
    with connect(settings, purpose="test") as con:
        for number in range(60):
            con.execute(INSERT, [f"u{number}", "kiosk", None, SECOND, 100 + number])
        resolve(con, load_config(settings).identity, datetime(2026, 1, 4))
    publish(settings)
    text = _explain(published, "anonymous_id:kiosk")
    assert text.count("is tied to 1 user_id already") == 50
    assert "… and 9 more (--all)" in text
    assert _explain(published, "anonymous_id:kiosk", "--all").count("is tied to 1 user_id already") == 59
