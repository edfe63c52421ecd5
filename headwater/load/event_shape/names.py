"""What an event and a property are called in the warehouse: RudderStack's naming rules.

Belongs here: pure functions from names to names. Does not belong here: which columns a table has (`columns`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

MAX_LENGTH = 127
BASE_TABLES = ("tracks", "pages", "screens", "identifies", "users", "groups", "aliases", "rudder_discards")

# «CamelCase123Key» is camel_case123_key, «URLPath» is url_path, «abc123def» is abc123_def, «9mega» stays together.
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+[0-9]*|[A-Z]+[0-9]*|[0-9]+[a-z]*")

# Words that need quoting in PostgreSQL or DuckDB: as in RudderStack they get an underscore instead.
# fmt: off
RESERVED = frozenset((
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "between",
    "binary", "both", "case", "cast", "check", "collate", "column", "constraint", "create", "cross", "current_date",
    "current_role", "current_time", "current_timestamp", "current_user", "default", "deferrable", "desc", "describe",
    "distinct", "do", "else", "end", "except", "false", "fetch", "for", "foreign", "freeze", "from", "full", "grant",
    "group", "having", "ilike", "in", "initially", "inner", "intersect", "into", "is", "isnull", "join", "lambda",
    "lateral", "leading", "left", "like", "limit", "localtime", "localtimestamp", "natural", "new", "not", "notnull",
    "null", "off", "offset", "old", "on", "only", "or", "order", "outer", "overlaps", "pivot", "pivot_longer",
    "pivot_wider", "placing", "primary", "qualify", "references", "returning", "right", "select", "session_user",
    "show", "similar", "some", "summarize", "symmetric", "table", "then", "to", "trailing", "true", "union", "unique",
    "unpivot", "user", "using", "variadic", "verbose", "when", "where", "window", "with",
))
# fmt: on


@lru_cache(maxsize=10_000)
def snake_case(name: str) -> str:
    """Words of ASCII letters and digits in lower case, joined by `_`; leading underscores stay. May be empty."""
    words = "_".join(word.lower() for word in _WORD.findall(name))
    if not words:
        return ""
    leading = "_" * (len(name) - len(name.lstrip("_")))
    return f"_{words}" if not leading and words[0].isdigit() else leading + words


def table_name(event: str) -> str:
    """The table of a track event. Names that are taken by the base tables, and reserved words, get an underscore."""
    name = snake_case(event)[:MAX_LENGTH]
    if not name:
        return "unnamed_event"
    return f"_{name}" if name in RESERVED or name in BASE_TABLES else name


def column_name(keys: Iterable[str]) -> str:
    """The column of a value under these keys, outermost first; empty when nothing of the name can be kept."""
    name = snake_case("_".join(keys))[:MAX_LENGTH]
    return f"_{name}" if name in RESERVED else name
