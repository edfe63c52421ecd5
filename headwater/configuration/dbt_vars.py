"""What the config says to dbt, which is told the same whoever calls it: Dagster, or a person at the command line.

Belongs here: which of the config's values become vars of the dbt project, and which names `dbt_vars` may use. Does not
belong here: how dbt gets them (`headwater.storage.warehouse.dbt_plugin`, `dbt_project/macros/company_var.sql`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from headwater.configuration.shapes.platform import Platform
from headwater.configuration.shapes.sources import Source, WebhookSource
from headwater.errors import ConfigError
from headwater.settings import CHECKOUT

_PROJECT = CHECKOUT / "dbt_project" / "dbt_project.yml"
_RUNS_OWN = "as_of"  # of one run, never of a company: --as-of, HEADWATER_AS_OF


def dbt_vars(platform: Platform, sources: dict[str, Source]) -> dict[str, Any]:
    """The company's vars by name, ready for JSON; those that it does not set have the project's defaults."""
    variables = {
        "currency": platform.currency,
        "session_gap_minutes": platform.session_gap_minutes,
        "tool_sources": sorted(name for name, source in sources.items() if isinstance(source, WebhookSource)),
    }
    return {**variables, **platform.dbt_vars}


def check_dbt_vars(platform: Platform, path: Path) -> None:
    """Hold the names in `dbt_vars` of the file `path` against the project's vars.

    Raises:
        ConfigError: one is not there; names the valid ones.
    """
    if not platform.dbt_vars:
        return
    known = set(yaml.safe_load(_PROJECT.read_text(encoding="utf-8"))["vars"]) - {_RUNS_OWN}
    for name in platform.dbt_vars:
        if name not in known:
            raise ConfigError(f"{path}: dbt_vars: «{name}» is no var of the dbt project: {', '.join(sorted(known))}.")
