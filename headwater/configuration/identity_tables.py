"""The tables and columns that `identity.yaml` names, held against those that are declared.

Belongs here: pure checks, before anything is read. Does not belong here: id types and decisions (`identity_checks`),
SQL expressions and columns of which only the warehouse knows (`match`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

import yaml

from headwater.configuration.reading import at
from headwater.configuration.shapes.identity import AccountSource, EdgeSource, Identity
from headwater.configuration.shapes.sources import Source
from headwater.configuration.shapes.tables import CsvSource, FilesSource, PulledTable, RestSource, SqlSource
from headwater.errors import ConfigError
from headwater.settings import CHECKOUT

Steps = tuple[str | int, ...]
_DECLARED = CHECKOUT / "dbt_project" / "models" / "staging"
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]*|\"[^\"]+\"")
_NO_COLUMNS = ("null", "true", "false")
_SHOWN = 3


def check_identity_tables(identity: Identity, sources: dict[str, Source], path: Path) -> None:
    """Check that each table of the file is one of a source or one that the dbt project declares, and each plain column
    one that the source declares. A table of another company's tool is fine: it is empty here.

    Raises:
        ConfigError: one is not; with the nearest names, or the valid ones.
    """
    pulled = dict(_pulled(sources))
    entries: tuple[tuple[str, Sequence[EdgeSource | AccountSource]], ...] = (
        ("edges", identity.edges),
        ("accounts", identity.accounts),
    )
    for kind, named in entries:
        for number, one in enumerate(named):
            what = f"the edge over {one.table}" if kind == "edges" else f"the accounts of {one.table}"
            if one.table in pulled:
                said: list[tuple[Steps, str]] = [
                    ((kind, number, "ids", id_type), sql) for id_type, sql in one.ids.items()
                ]
                said += [((kind, number, "account"), one.account)] if isinstance(one, AccountSource) else []
                _check_columns(said, pulled[one.table], what, path)
            elif not one.table.startswith("events.") and one.table not in _declared():
                raise ConfigError(
                    f"{at(path, kind, number, 'table')}: there is no table «{one.table}»; "
                    f"{_nearest(one.table, {**_declared(), **pulled})}.",
                    hint="A table is raw.<source>__<table> of sources.yaml, or one that the dbt project declares.",
                )


def _check_columns(said: Iterable[tuple[Steps, str]], columns: list[str], what: str, path: Path) -> None:
    known = {column.lower() for column in columns}
    for steps, sql in said:
        name = sql.strip()
        if not _COLUMN.fullmatch(name) or name.lower() in _NO_COLUMNS or name.strip('"').startswith("_"):
            continue  # an expression, or a column of the platform's own
        if name.strip('"').lower() not in known:
            raise ConfigError(
                f"{at(path, *steps)}: {what} names column «{name}» for {steps[-1]}; "
                f"sources.yaml declares: {', '.join(columns)}."
            )


def _pulled(sources: dict[str, Source]) -> Iterator[tuple[str, list[str]]]:
    """The tables of sources, with their declared columns."""
    for name, source in sources.items():
        if isinstance(source, RestSource | SqlSource | FilesSource | CsvSource):
            for table, spec in source.tables.items():
                columns = spec.all_columns if isinstance(spec, PulledTable) else spec.columns
                yield f"raw.{name}__{table}", list(columns)


def _nearest(name: str, known: Iterable[str]) -> str:
    raw = [table for table in known if table.startswith("raw.")]
    found = get_close_matches(name, raw, n=_SHOWN)
    return (
        f"the nearest {'is' if len(found) == 1 else 'are'} {', '.join(found)}"
        if found
        else f"there are: {', '.join(sorted(raw))}"
    )


@lru_cache(maxsize=1)
def _declared() -> dict[str, None]:
    """The tables that the dbt project declares as sources, which exist here from the start."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return {
        f"{source.get('schema', source['name'])}.{table['name']}": None
        for file in sorted(_DECLARED.glob("_sources*.yml"))
        for source in yaml.load(file.read_text(encoding="utf-8"), Loader=loader)["sources"]  # noqa: S506
        for table in source["tables"]
    }
