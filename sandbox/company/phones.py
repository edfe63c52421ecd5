"""Telephone numbers that can exist and belong to nobody, and the ways in which people write them.

Belongs here: the ranges that regulators keep free for fiction (555-01xx of each North American area, a thousand
in each of a dozen British and of five German cities, ARCEP's 01 99 00 xx xx). They are small: in a large company some
numbers come twice, as numbers do that change hands. Does not belong here: who has which number.
"""

from __future__ import annotations

# fmt: off
US_AREAS = (
    201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231, 234,
    239, 240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 276, 281, 301, 302, 303, 304, 305, 307, 308, 309,
    310, 312, 313, 314, 315, 316, 317, 318, 319, 320, 321, 323, 325, 330, 334, 336, 337, 339, 347, 351, 352, 360, 361,
    386, 401, 402, 404, 405, 406, 407, 408, 409, 410, 412, 413, 414, 415, 417,
)
CA_AREAS = (
    204, 226, 236, 249, 250, 289, 306, 343, 365, 367, 403, 416, 418, 431, 437, 438, 450, 506, 514, 519, 548, 579, 581,
    587, 604, 613, 639, 647, 672, 705, 709, 742, 778, 780, 782, 807, 819, 825, 867, 873, 902, 905, 263, 354, 368, 382,
    428, 468, 474, 584,
)
GB_AREAS = ("207946", "113496", "116496", "117496", "118496", "121496", "131496", "141496", "151496", "161496")
DE_AREAS = ("3023125", "2214710", "4066969", "8999998", "6990009")
COLD_AREAS = (501, 502, 503, 504, 505, 507, 508, 509, 510, 512)
# fmt: on


def number_of(country: str, index: int) -> str:
    """The number of person `index` of a country (US, CA, GB, DE, FR), as +<country><number>."""
    if country == "GB":
        return f"+44{GB_AREAS[index % len(GB_AREAS)]}0{index // len(GB_AREAS) % 1000:03d}"
    if country == "DE":
        return f"+49{DE_AREAS[index % len(DE_AREAS)]}{index // len(DE_AREAS) % 1000:03d}"
    if country == "FR":
        return f"+33199{index % 10_000:06d}"
    areas = CA_AREAS if country == "CA" else US_AREAS
    return _american(areas, index)


def cold_number(index: int) -> str:
    """The number of a wholesale contact that sales found by itself."""
    return _american(COLD_AREAS, index)


def written(number: str, draw: int) -> str:
    """A number as somebody types it; `draw` chooses the way. Abroad nobody leaves the country out."""
    if number.startswith("+1"):
        area, exchange, line = number[2:5], number[5:8], number[8:]
        ways = (f"({area}) {exchange}-{line}", f"{area}-{exchange}-{line}", f"+1 {area} {exchange} {line}", number)
    else:
        country, rest = number[:3], number[3:]
        grouped = " ".join(rest[at : at + 3] for at in range(0, len(rest), 3))
        ways = (f"{country} {grouped}", f"{country}-{grouped.replace(' ', '-')}", f"{country} (0){rest}", number)
    return ways[draw % len(ways)]


def _american(areas: tuple[int, ...], index: int) -> str:
    return f"+1{areas[index % len(areas)]}55501{index // len(areas) % 100:02d}"
