"""How the ad platforms want personal data hashed: their rules differ, and one letter makes another digest.

Belongs here: the normal form of each field by Meta's rules and by Google's, and the digest. Does not belong here: which
field goes into which request (`destinations/meta_conversions.py`, `destinations/google_ads.py`). Pure.

Common to both: SHA-256 of UTF-8 as lower-case hex; nothing is hashed that has no normal form (never the empty string);
a value that is a digest already (64 hex digits) passes through. Letters are composed first (NFC), so that «é» typed on
one system and on another is one letter.

Sources: Meta «Conversions API, Customer Information Parameters» and «Advertise with customer lists: hashing»;
Google Ads API «Upload enhanced conversions: prepare data» and «Campaign Manager 360: enhanced conversions» (dots of
Gmail addresses).
"""

from __future__ import annotations

import hashlib
import re
import string
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from headwater.event import identifier, moment

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_GMAIL = frozenset({"gmail.com", "googlemail.com"})
_SEXES = {"f": "f", "female": "f", "m": "m", "male": "m"}
Rule = Callable[[str], str]


def sha256(text: str) -> str:
    """The digest of a normal form."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def hashed(value: Any, rule: Rule) -> str | None:
    """The digest of a value by a rule; `None` when it has no normal form. A digest is passed through."""
    text = identifier(value)
    if text is None:
        return None
    if _DIGEST.fullmatch(text):
        return text.lower()
    normal = rule(unicodedata.normalize("NFC", text))
    return sha256(normal) if normal else None


def meta(field: str, value: Any) -> str | None:
    """What Meta is told of a person in one field (its own name: `em`, `ph`, `fn`, …): a digest, or for the fields of
    `META_PLAIN` the value; `None` when there is nothing to tell."""
    return identifier(value) if field in META_PLAIN else hashed(value, META_RULES[field])


def google(field: str, value: Any) -> str | None:
    """The same for Google (its own names: `hashedEmail`, `countryCode`, …)."""
    return identifier(value) if field in GOOGLE_PLAIN else hashed(value, GOOGLE_RULES[field])


def international(value: Any, calling_code: str = "") -> str | None:
    """A phone number with its country's calling code and a plus, where it is certain: it was written so (`+49…`,
    `0049…`), or `calling_code` (`49`) tells where a number written for inside the country belongs. Otherwise the value
    as it came. In a few countries (Italy) the leading zero belongs to the number: send those as `+39…`."""
    text = identifier(value)
    if text is None or _DIGEST.fullmatch(text):
        return text
    digits = _digits(text)
    if text.lstrip("( ").startswith("+"):
        return f"+{_digits(text.replace('(0)', ''))}"  # «+49 (0)171 …»: the zero is for calls within the country
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    code = _digits(calling_code)
    return f"+{code}{digits.lstrip('0')}" if code and digits else text


def _digits(text: str) -> str:
    return "".join(letter for letter in text if letter in string.digits)


def _trimmed(text: str) -> str:
    return text.strip().lower()


def _meta_phone(text: str) -> str:
    return _digits(text).lstrip("0")


def _meta_name(text: str) -> str:
    return text.lower().translate(_NO_PUNCTUATION).strip()


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalpha())


def _meta_zip(text: str) -> str:
    """Without spaces and dashes; of a US ZIP+4 code the first five digits only (Meta, «Customer information
    parameters»)."""
    plus_four = re.fullmatch(r"([0-9]{5})-[0-9]{4}", text.strip())
    return plus_four.group(1) if plus_four else "".join(text.lower().replace("-", "").split())


def _country(text: str) -> str:
    found = text.strip().lower()
    return found if len(found) == 2 and found.isascii() and found.isalpha() else ""


def _sex(text: str) -> str:
    return _SEXES.get(text.strip().lower(), "")


def _birthday(text: str) -> str:
    found = moment(text)
    return found.strftime("%Y%m%d") if found else (text if re.fullmatch(r"[0-9]{8}", text) else "")


def _two_digits(text: str) -> str:
    return text.strip().zfill(2) if re.fullmatch(r"[0-9]{1,2}", text.strip()) else ""


def _year(text: str) -> str:
    return text.strip() if re.fullmatch(r"[0-9]{4}", text.strip()) else ""


def _google_email(text: str) -> str:
    local, at, domain = text.strip().lower().rpartition("@")
    return f"{local.replace('.', '') if domain in _GMAIL else local}@{domain}" if at and local and domain else ""


def _google_phone(text: str) -> str:
    found = international(text) or ""
    digits = _digits(found)
    return f"+{digits}" if found.startswith("+") and 7 <= len(digits) <= 15 and digits[0] != "0" else ""


META_RULES: Mapping[str, Rule] = {
    "em": _trimmed,
    "ph": _meta_phone,
    "fn": _meta_name,
    "ln": _meta_name,
    "ct": _letters,
    "st": _letters,
    "zp": _meta_zip,
    "country": _country,
    "ge": _sex,
    "db": _birthday,
    "doby": _year,
    "dobm": _two_digits,
    "dobd": _two_digits,
}
"""Meta: phones are digits without a plus or leading zeros; names lose punctuation but keep accents and inner blanks;
cities and states keep letters only; birthdays are YYYYMMDD (`db`) or apart (`doby`, `dobm`, `dobd`)."""

META_PLAIN = frozenset({"external_id", "madid", "extern_id", "lookalike_value", "fbp", "fbc", "client_ip_address",
                        "client_user_agent", "lead_id", "subscription_id"})  # fmt: skip
"""What Meta wants as it is."""

GOOGLE_RULES: Mapping[str, Rule] = {
    "hashedEmail": _google_email,
    "hashedPhoneNumber": _google_phone,
    "hashedFirstName": _trimmed,
    "hashedLastName": _trimmed,
    "hashedStreetAddress": _trimmed,
}
"""Google: dots before @gmail.com and @googlemail.com go; phones are E.164 with the plus, and a number without its
country is no phone; names keep their punctuation."""

GOOGLE_PLAIN = frozenset({"countryCode", "postalCode", "city", "state", "gclid", "gbraid", "wbraid"})
"""What Google wants as it is."""
