"""How identifiers are compared: the rule in SQL and the rule for one value are one rule."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.configuration import Identity, IdType
from headwater.match.tidying import phone_functions, tidied
from headwater.policy.identifiers import normal

TYPES = {
    "none": IdType(priority=1, junk=["Null", "ÉTÉ", " "]),
    "email": IdType(priority=1, normalise="email", junk=["test@example.com", "İ@x.y"]),
    "phone": IdType(priority=1, normalise="phone", junk=["+12125550100", "unknown"]),
    "named_phone": IdType(priority=1, normalise="named_phone", junk=["+12125550100/ann"]),
}
RULES = Identity(id_types=TYPES, edges=[], default_region="GB")
# twelve scripts, composed and decomposed letters, capitals whose small letter is longer
SCRIPTS = "aAéÉΣςßẞİıжЖאبदตが客한აԱሀ0@. -+()\u0301\u00a0\t"
NAMED = st.builds(
    "{}/{}".format, st.sampled_from(["020 7946 0958", "+1 212 555 0100", "1/2"]), st.text(SCRIPTS + "/nN")
)
TEXTS = st.one_of(
    st.text(), st.text(SCRIPTS), st.text("0123456789+- ()"), NAMED, st.just("NULL"), st.just("Test@Example.com ")
)


@pytest.mark.slow
@given(values=st.lists(TEXTS, min_size=1, max_size=30))
def test_sql_and_python_say_the_same_of_any_text(values: list[str]) -> None:
    kept = [value for value in values if "\0" not in value]
    with duckdb.connect() as con, phone_functions(con, RULES):
        for id_type in TYPES.values():
            con.execute("create or replace table given (place integer, value text)")
            if kept:
                con.executemany("insert into given values (?, ?)", list(enumerate(kept)))
            found = con.execute(f"select {tidied('value', id_type)} from given order by place").fetchall()
            assert [row[0] for row in found] == [normal(id_type, value, "GB") for value in kept]


def test_an_address_is_the_same_in_capitals_in_any_script() -> None:
    email = TYPES["email"]
    for name in ("χρήστης", "имя", "müller", "արամ", "γιώργος"):
        assert normal(email, f"{name.upper()}@example.com", "GB") == normal(email, f"{name}@example.com", "GB")


@pytest.mark.parametrize(
    ("written", "region", "expected"),
    [
        ("(212) 555-0142", "US", "+12125550142"),
        ("+1 212.555.0142", "DE", "+12125550142"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("+44 (0)20 7946 0958", "US", "+442079460958"),
        ("030 901820", "DE", "+4930901820"),
        ("0049 30 901820", "FR", "+4930901820"),
        ("01 23 45 67 89", "FR", "+33123456789"),
        ("03-1234-5678", "JP", "+81312345678"),
        ("+1-555-0142", "US", None),
        ("0000000000", "US", None),
        ("call me", "US", None),
        ("", "US", None),
    ],
)
def test_numbers_of_five_countries_are_one_however_they_are_written(
    written: str, region: str, expected: str | None
) -> None:
    assert normal(TYPES["phone"], written, region) == expected


def test_a_number_with_a_name_is_one_however_both_are_written_and_none_without_either() -> None:
    kind = TYPES["named_phone"]
    written = (
        "020 7946 0958/Ann-Marie Müller",
        "+44 20 7946 0958/ANNMARIE MU\u0308LLER ",
        "020/7946/0958/Ann Marie Müller",
    )
    assert {normal(kind, each, "GB") for each in written} == {"+442079460958/annmariemüller"}
    for each in ("020 7946 0958/", "020 7946 0958/-", "/Ann", "020 7946 0958", "12/Ann", "+1 212 555 0100/Ann"):
        assert normal(kind, each, "GB") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ANN@EXAMPLE.COM", " ann@example.com\t"),
        ("ΟΔΥΣΣΕΥΣ@example.gr", "οδυσσευσ@example.gr"),
        ("ИВАН@example.ru", "иван@example.ru"),
        ("ԱՆԻ@example.am", "անի@example.am"),
        ("Rene\u0301@example.fr", "RENÉ@example.fr"),
    ],
)
def test_addresses_are_one_whatever_case_and_composition(one: str, other: str) -> None:
    assert normal(TYPES["email"], one, "US") == normal(TYPES["email"], other, "US") is not None


@pytest.mark.parametrize("junk", ["null", " NULL ", "été", "e\u0301te\u0301", "", "\u200b"])
def test_junk_is_junk_however_it_is_written(junk: str) -> None:
    assert normal(TYPES["none"], junk, "US") is None
