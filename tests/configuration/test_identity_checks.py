"""What identity.yaml may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.configuration import AccountSource, EdgeSource, Identity, IdType, Override
from headwater.configuration.identity_checks import check_identity
from headwater.errors import ConfigError


def rules(**more: object) -> Identity:
    return Identity(id_types={"user_id": IdType(priority=1), "email": IdType(priority=2)}, edges=[], **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("identity", "complaint"),
    [
        (
            rules(accounts=[AccountSource("raw.c", {"crm_id": "id"}, "a")]),
            "the accounts of raw.c names id type «crm_id»",
        ),
        (
            rules(include=[Override(["user_id:1", "shoe:44"], "r")]),
            "«shoe:44» names id type «shoe»; defined are: user_id",
        ),
        (rules(include=[Override(["user_id:1"], "r")]), "include takes two different ids; found: user_id:1"),
        (rules(exclude=[Override(["user_id:1", "user_id:1"], "r")]), "exclude takes one id, or two different ones"),
        (rules(exclude=[Override(["user_id:1"], " ")]), "exclude of user_id:1 gives no reason"),
        (
            rules(include=[Override(["user_id:1", "email:a"], "r")], exclude=[Override(["email:a", "user_id:1"], "r")]),
            "user_id:1 and email:a are both included and excluded",
        ),
        (
            Identity(id_types={"user_id": IdType(1, limits={"shoe": 1})}, edges=[]),
            "a limit of user_id names id type «shoe»",
        ),
        (
            Identity(id_types={"user_id": IdType(1, weak={"shoe": 1})}, edges=[]),
            "«weak» of user_id names id type «shoe»",
        ),
        (Identity(id_types={"user_id": IdType(1)}, edges=[EdgeSource("raw.x", {"shoe": "s"})]), "the edge over raw.x"),
        (Identity(id_types={"customer_id": IdType(1)}, edges=[]), "an id type needs another name"),
    ],
)
def test_what_cannot_be_applied_is_named(identity: Identity, complaint: str) -> None:
    with pytest.raises(ConfigError) as told:
        check_identity(identity, Path("identity.yaml"))
    assert complaint in str(told.value)
    assert str(told.value).startswith("identity.yaml: ")


def test_decisions_whose_types_are_defined_are_fine() -> None:
    both = rules(include=[Override(["user_id:a:b", "email:x@y"], "r")], exclude=[Override(["user_id:kiosk"], "r")])
    check_identity(both, Path("identity.yaml"))
