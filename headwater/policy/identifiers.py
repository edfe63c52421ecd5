"""How an identifier is written so that two can be compared, and which values name nobody.

Belongs here: the rules of `normalise` and `junk` in identity.yaml, for one value. Whoever looks a person up applies
them; `headwater.match.tidying` says the same in SQL for whole tables. Does not belong here: which identifiers there
are.
"""

from __future__ import annotations

import re
import unicodedata

from headwater.configuration import IdType

BLANKS = " \t\n\r\f\v\u00a0\u200b\ufeff"
"""What is cut from both ends of every identifier: white space as people paste it."""
EMAIL = r"[^@\s]+@[^@\s]+"
_EMAIL = re.compile(EMAIL, re.ASCII)
_FOLDED = {"\u0130": "i", "ς": "σ"}


def normal(id_type: IdType, value: str, region: str) -> str | None:
    """The identifier as it is kept and compared, or `None` when it names nobody.

    Args:
        region: the country (ISO 3166, two letters) of telephone numbers that are written without one.
    """
    text: str | None = value.strip(BLANKS)
    if not text or is_junk(id_type, text):
        return None
    if id_type.normalise == "email":
        text = folded(text)
        text = text if _EMAIL.fullmatch(text) else None
    elif id_type.normalise == "phone":
        text = e164(text, region)
    elif id_type.normalise == "named_phone":
        text = named_phone(text, region)
    return None if text is None or is_junk(id_type, text) else text


def is_junk(id_type: IdType, text: str) -> bool:
    """Whether the company says of this value that it names nobody, in whatever case it is written."""
    return folded(text) in junk_values(id_type)


def junk_values(id_type: IdType) -> set[str]:
    """The junk of a type, as it is compared."""
    return {folded(junk.strip(BLANKS)) for junk in id_type.junk} - {""}


def folded(text: str) -> str:
    """Composed (é is one character) and in lower case, letter by letter: what a letter stands beside plays no part, so
    that Greek's final sigma is the sigma that its capital gives."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(_FOLDED.get(letter) or letter.lower() for letter in composed)


def e164(text: str, region: str) -> str | None:
    """A telephone number as +<country><number>, or `None` when no such number can exist."""
    import phonenumbers  # its tables take a moment to load

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def named_phone(text: str, region: str) -> str | None:
    """`<telephone number>/<name>` as +<country><number>/<letters of the name>, or `None` when one is missing."""
    written, _, name = text.rpartition("/")
    letters = "".join(letter for letter in folded(name) if letter.isalpha())
    number = e164(written, region) if letters else None
    return f"{number}/{letters}" if number else None
