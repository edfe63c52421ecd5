"""dbt-duckdb plugin: dbt takes the same lock as everything else before it opens the warehouse file, and hears of the
company that the warehouse belongs to.

Belongs here: only that. In the profile:

    plugins:
      - module: headwater.storage.warehouse.dbt_plugin
        config: {wait_seconds: 60, purpose: dbt}

Both are better left out: what stands here is part of the profile, and when that changes dbt parses the whole project
anew. For a while longer than a minute there is HEADWATER_WAIT_SECONDS.

dbt-duckdb makes its plugins when it makes its environment and calls `update_connection_config` right before it opens
the file; the lock is held until that environment goes or the process ends. `dbt parse` opens no file and takes none.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError

from headwater.configuration import load_config
from headwater.configuration.dbt_vars import dbt_vars
from headwater.errors import HeadwaterError
from headwater.settings import CHECKOUT, caller, load_settings, warehouse_wait
from headwater.storage.warehouse.connection import UTC, configuration, dbt_memory_limit, open_file
from headwater.storage.warehouse.lock import WAIT_SECONDS, WarehouseLock

VARIABLE = "headwater_vars"
MACROS = "project_macros"
"""Beside the company's vars, a digest of the project's macros, which dbt tells no model: a growing model that was built
with others takes everything anew (`dbt_project/macros/incremental.sql`)."""
_COMMANDS = {"build", "run", "test", "seed", "snapshot", "docs", "compile", "show", "run-operation", "source", "clone"}


class Plugin(BasePlugin):
    """Holds the warehouse lock for dbt and brings the company's vars."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        self._wait_seconds = float(plugin_config.get("wait_seconds") or _wait_seconds())
        self._purpose = str(plugin_config.get("purpose") or _purpose())
        self._lock: WarehouseLock | None = None
        self._vars: str | None = None

    def update_connection_config(self, creds: Any, config: dict[str, Any]) -> None:
        """Take the lock, wait for foreign programs to close the file, and give dbt the one configuration."""
        if creds.path == ":memory:" or creds.is_motherduck:
            return
        path = Path(creds.path).absolute()
        if self._vars is None:
            self._vars = _company_vars(path.parent)
        if self._lock is None:
            lock = WarehouseLock(path, self._purpose)
            deadline = time.monotonic() + self._wait_seconds
            try:
                lock.acquire(self._wait_seconds)
                open_file(path, deadline, self._wait_seconds).close()
            except HeadwaterError as error:
                lock.release()
                self._wait_seconds = 0.0  # dbt asks again to clean up after itself: it has waited once
                raise DbtRuntimeError(str(error)) from error
            lock.mark_dirty()
            self._lock = lock
        # what the profile's `settings` say goes before
        for name, value in {**configuration(path), "memory_limit": dbt_memory_limit()}.items():
            config.setdefault(name, value)

    def configure_connection(self, conn: Any) -> None:
        conn.execute(UTC)

    def configure_cursor(self, cursor: Any) -> None:
        # read by the macro company_var; a variable belongs to one connection, which a cursor is
        if self._vars is not None:
            # as a literal: DuckDB imports pandas, a second, to look at a parameter
            cursor.execute(f"set variable {VARIABLE} = '{self._vars.replace(chr(39), chr(39) * 2)}'")


def _company_vars(home: Path) -> str:
    """As JSON, from the config of this home: HEADWATER_CONFIG, else the one that it was last run with; and the as-of
    time, if there is one. A variable of the environment that a model read would have dbt parse it anew at each run."""
    try:
        settings = load_settings(home=home)
        config = load_config(settings)
    except HeadwaterError as error:
        raise DbtRuntimeError(str(error)) from error
    found = dbt_vars(config.platform, config.sources, config.survivorship)
    if settings.as_of:
        found["as_of"] = settings.as_of.isoformat(sep=" ")
    digest = hashlib.sha256()
    for path in sorted((CHECKOUT / "dbt_project" / "macros").rglob("*.sql")):
        digest.update(path.read_bytes())
    return json.dumps({**found, MACROS: digest.hexdigest()})


def _wait_seconds() -> float:
    try:
        return warehouse_wait() or WAIT_SECONDS
    except HeadwaterError as error:
        raise DbtRuntimeError(str(error)) from error


def _purpose() -> str:
    command = next((word for word in sys.argv[1:] if word in _COMMANDS), "")
    return caller() or f"dbt {command}".strip()
