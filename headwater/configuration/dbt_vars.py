"""What the config says to dbt, which is told the same whoever calls it: Dagster, or a person at the command line.

Belongs here: which of the config's values become vars of the dbt project, and which names `dbt_vars` may use. Does not
belong here: how dbt gets them (`headwater.storage.warehouse.dbt_plugin`, `dbt_project/macros/company_var.sql`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from msgspec import to_builtins

from headwater.configuration.reading import at
from headwater.configuration.shapes.platform import Platform
from headwater.configuration.shapes.sources import Source, WebhookSource
from headwater.configuration.shapes.survivorship import TraitRule
from headwater.errors import ConfigError
from headwater.settings import CHECKOUT

_PROJECT = CHECKOUT / "dbt_project" / "dbt_project.yml"
_RUNS_OWN = "as_of"  # of one run, never of a company: --as-of, HEADWATER_AS_OF
_OWN_FILE = "survivorship"  # survivorship.yaml


def dbt_vars(
    platform: Platform, sources: dict[str, Source], survivorship: dict[str, TraitRule] | None = None
) -> dict[str, Any]:
    """The company's vars by name, ready for JSON; those that it does not set have the project's defaults."""
    variables = {
        "currency": platform.currency,
        "session_gap_minutes": platform.session_gap_minutes,
        "tool_sources": sorted(name for name, source in sources.items() if isinstance(source, WebhookSource)),
    }
    if survivorship:
        variables[_OWN_FILE] = {**_project_vars()[_OWN_FILE], **to_builtins(survivorship)}
    return {**variables, **platform.dbt_vars}


def check_dbt_vars(platform: Platform, path: Path) -> None:
    """Hold the names in `dbt_vars` of the file `path` against the project's vars.

    Raises:
        ConfigError: one is not there; names the valid ones.
    """
    if not platform.dbt_vars:
        return
    known = set(_project_vars()) - {_RUNS_OWN, _OWN_FILE}
    for name in platform.dbt_vars:
        if name not in known:
            where = at(path, "dbt_vars", name)
            raise ConfigError(f"{where}: dbt_vars: «{name}» is no var of the dbt project: {', '.join(sorted(known))}.")


def check_survivorship(rules: dict[str, TraitRule], path: Path) -> None:
    """Hold the traits and sources of the file `path` against those that the project knows.

    Raises:
        ConfigError: one is not there, or a trait has no source; names the valid ones.
    """
    if not rules:
        return
    known = _project_vars()[_OWN_FILE]
    for trait, rule in rules.items():
        if trait not in known:
            raise ConfigError(f"{at(path, trait)}: «{trait}» is no trait; there are: {', '.join(sorted(known))}.")
        sources = known[trait]["sources"]
        wrong = [source for source in rule.sources if source not in sources]
        if wrong or not rule.sources or len(set(rule.sources)) < len(rule.sources):
            what = f"«{wrong[0]}» tells nothing of it" if wrong else "name each source once, and one at least"
            where = at(path, trait, "sources", *([rule.sources.index(wrong[0])] if wrong else []))
            raise ConfigError(f"{where}: {trait}: {what}; sources that do: {', '.join(sources)}.")


def _project_vars() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(_PROJECT.read_text(encoding="utf-8"))["vars"]
    return found
