"""The ad platforms' rules, each with the normal form written out and hashed here by hashlib alone."""

from __future__ import annotations

import hashlib

import pytest

from headwater.push import hashing
from headwater.push.hashing import google, international, meta


def sha(normal: str) -> str:
    return hashlib.sha256(normal.encode()).hexdigest()


@pytest.mark.parametrize(
    ("field", "value", "normal"),
    [
        ("em", "  John_Smith@Gmail.com ", "john_smith@gmail.com"),
        ("em", "j.o.h.n@gmail.com", "j.o.h.n@gmail.com"),
        ("ph", "+1 (650) 555-1212", "16505551212"),
        ("ph", "0049 171 2345678", "491712345678"),
        ("ph", 16505551212, "16505551212"),
        ("fn", " Mary ", "mary"),
        ("fn", "Anne-Marie", "annemarie"),
        ("fn", "Valéry", "valéry"),
        ("fn", "Vale\u0301ry", "valéry"),
        ("fn", "정", "정"),
        ("ln", "O'Neill", "oneill"),
        ("ln", "van der Berg", "van der berg"),
        ("ct", "New York", "newyork"),
        ("ct", "St. Louis 2", "stlouis"),
        ("ct", "São Paulo", "sãopaulo"),
        ("st", "C.A.", "ca"),
        ("zp", "94035-1234", "94035"),
        ("zp", "M1 1AE", "m11ae"),
        ("country", " US", "us"),
        ("ge", "Female", "f"),
        ("ge", "M", "m"),
        ("db", "1997-02-16", "19970216"),
        ("db", "19970216", "19970216"),
        ("doby", 1997, "1997"),
        ("dobm", 2, "02"),
        ("dobd", "16", "16"),
    ],
)
def test_meta_hashes_the_normal_form(field: str, value: object, normal: str) -> None:
    assert meta(field, value) == sha(normal)


@pytest.mark.parametrize(
    ("field", "value", "normal"),
    [
        ("hashedEmail", " Jane.Doe@Shopping.example ", "jane.doe@shopping.example"),
        ("hashedEmail", "J.ane.Doe@Gmail.com", "janedoe@gmail.com"),
        ("hashedEmail", "j.d@googlemail.com", "jd@googlemail.com"),
        ("hashedEmail", "j.d@notgmail.com", "j.d@notgmail.com"),
        ("hashedEmail", "j.d+shop@gmail.com", "jd+shop@gmail.com"),
        ("hashedPhoneNumber", "+1 (650) 555-1212", "+16505551212"),
        ("hashedPhoneNumber", "0049 171 2345678", "+491712345678"),
        ("hashedFirstName", " Anne-Marie ", "anne-marie"),
        ("hashedLastName", "O'Neill", "o'neill"),
        ("hashedStreetAddress", " 1 Main St. ", "1 main st."),
    ],
)
def test_google_hashes_the_normal_form(field: str, value: object, normal: str) -> None:
    assert google(field, value) == sha(normal)


def test_a_digest_known_from_elsewhere_comes_out() -> None:
    # `printf 'test@example.com' | sha256sum`
    known = "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"
    assert meta("em", "Test@Example.com ") == google("hashedEmail", "Test@Example.com ") == known


def test_one_phone_has_two_digests() -> None:
    assert meta("ph", "+16505551212") == sha("16505551212")
    assert google("hashedPhoneNumber", "+16505551212") == sha("+16505551212")


@pytest.mark.parametrize("value", ["", "   ", None, True, [], {}])
def test_nothing_is_never_hashed(value: object) -> None:
    assert {meta(field, value) for field in hashing.META_RULES} == {None}
    assert {google(field, value) for field in hashing.GOOGLE_RULES} == {None}


@pytest.mark.parametrize(
    ("field", "value"),
    [("ph", "none"), ("ph", "000"), ("fn", "..."), ("ct", "123"), ("country", "Germany"), ("ge", "unknown"),
     ("db", "last May"), ("dobm", "May"), ("zp", "-")],
)  # fmt: skip
def test_what_has_no_normal_form_for_meta_is_left_out(field: str, value: str) -> None:
    assert meta(field, value) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("hashedPhoneNumber", "0171 2345678"), ("hashedPhoneNumber", "650 555 1212"), ("hashedPhoneNumber", "+12"),
     ("hashedEmail", "nobody"), ("hashedEmail", "@x.y")],
)  # fmt: skip
def test_what_has_no_normal_form_for_google_is_left_out(field: str, value: str) -> None:
    assert google(field, value) is None


def test_a_digest_passes_through_in_lower_case() -> None:
    digest = sha("someone@x.y")
    for field in hashing.META_RULES:
        assert meta(field, digest.upper()) == digest
    for field in hashing.GOOGLE_RULES:
        assert google(field, f" {digest} ") == digest


def test_what_the_platforms_want_plain_stays_plain() -> None:
    assert meta("external_id", 17850.0) == "17850"
    assert meta("madid", "38400000-8CF0-11BD-B23E-10B96E40000D") == "38400000-8CF0-11BD-B23E-10B96E40000D"
    assert google("countryCode", " US ") == "US"
    assert google("postalCode", "94045") == "94045"
    assert google("city", "") is None


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        ("0171 234567", "49", "+49171234567"),
        ("0171 234567", "", "0171 234567"),
        ("(+49) 171 234567", "1", "+49171234567"),
        ("+49 (0)171 234567", "", "+49171234567"),
        ("0044 20 7946 0000", "49", "+442079460000"),
        ("650-555-1212", "+1", "+16505551212"),
        ("x" * 3, "49", "xxx"),
        (None, "49", None),
        (sha("a phone"), "49", sha("a phone")),
    ],
)
def test_a_number_gets_its_country_where_it_is_known(value: str | None, code: str, expected: str | None) -> None:
    assert international(value, code) == expected
