"""Identifiers as they are compared, in SQL over whole tables; `headwater.policy.identifiers` is the rule in words.

Belongs here: the expression of one identifier, and the function that it needs of Python. Does not belong here: which
tables are read (`mentions`, `accounts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa
from duckdb import DuckDBPyConnection
from duckdb.func import FunctionNullHandling, PythonUDFType

from headwater.configuration import Identity, IdType
from headwater.policy.identifiers import BLANKS, EMAIL, e164, junk_values, named_phone

# what SQL alone cannot compare → its function, of one text and the region
_FUNCTIONS: dict[str, Callable[[str, str], str | None]] = {"phone": e164, "named_phone": named_phone}
_BLANKS = " || ".join(f"chr({ord(blank)})" for blank in BLANKS)


@contextmanager
def phone_functions(con: DuckDBPyConnection, identity: Identity) -> Iterator[None]:
    """While it lasts, `tidied` expressions over telephone numbers can be executed on this connection."""
    used = sorted({id_type.normalise for id_type in identity.id_types.values()} & _FUNCTIONS.keys())
    for name in used:
        con.create_function(
            _named(name),
            _over_columns(_FUNCTIONS[name], identity.default_region),
            ["VARCHAR"],
            "VARCHAR",
            type=PythonUDFType.ARROW,
            null_handling=FunctionNullHandling.SPECIAL,
        )
    try:
        yield
    finally:
        for name in used:
            con.remove_function(_named(name))


def _named(normalise: str) -> str:
    return f"headwater_{normalise}"


def _over_columns(function: Callable[[str, str], str | None], region: str) -> Callable[[pa.ChunkedArray], pa.Array]:
    known: dict[str | None, str | None] = {None: None}

    def over(texts: pa.ChunkedArray) -> pa.Array:
        found = []
        for text in texts.to_pylist():
            if text not in known:
                known[text] = function(text, region)
            found.append(known[text])
        return pa.array(found, pa.string())

    return over


def tidied(expression: str, id_type: IdType) -> str:
    """The SQL that gives the identifier as it is compared, or null when it is none."""
    written = f"({expression})::varchar"
    # cutting any blank there is costs many times a look at the two ends
    trimmed = (
        f"case when ({written})[1] between '!' and '~' and ({written})[-1] between '!' and '~' "
        f"then {written} else nullif(trim({written}, {_BLANKS}), '') end"
    )
    value = _without_junk(f"({trimmed})", id_type)
    if id_type.normalise == "email":
        value = _folded(value)
        value = f"case when regexp_full_match({value}, {text(EMAIL)}) then {value} end"
    elif id_type.normalise in _FUNCTIONS:
        value = _without_junk(f"{_named(id_type.normalise)}({value})", id_type)
    return value


def _without_junk(value: str, id_type: IdType) -> str:
    junk = sorted(junk_values(id_type))
    if not junk:
        return value
    listed = ", ".join(text(each) for each in junk)
    folded = f"{_folded(value)} not in ({listed})"
    if all(each.isascii() for each in junk):
        # no letter that folds to an ASCII one takes more than three bytes: what is longer need not be folded
        folded = f"strlen({value}) > {3 * max(map(len, junk))} or {folded}"
    return f"case when {folded} then {value} end"


def _folded(value: str) -> str:
    return f"replace(lower(nfc_normalize({value})), 'ς', 'σ')"


def text(value: str) -> str:
    """A text as an SQL literal."""
    return f"'{value.replace(chr(39), chr(39) * 2)}'"
