"""What dlt is told instead of what it would look up: no telemetry, no files but those under the home.

Belongs here: dlt's run context for one home. Does not belong here: any pipeline (`extracts`).

Left to itself dlt reads `.dlt/config.toml` of the working folder and of the user, and the environment, writes an
anonymous id into the user's folder and reports each run to its makers.
"""

from __future__ import annotations

from pathlib import Path

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import ConfigProvider, CustomLoaderDocProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.runtime.run_context import RunContext
from dlt.common.runtime.telemetry import stop_telemetry

_CONFIG = {
    # what fails is told once, as a sentence, by who called
    "runtime": {"dlthub_telemetry": False, "log_level": "CRITICAL"},
    "load": {"delete_completed_jobs": True, "raise_on_max_retries": 2, "workers": 4},
    "extract": {"next_item_mode": "fifo"},
    "restore_from_destination": False,
}


class _HomeContext(RunContext):
    """A run context whose every folder is in the home, and whose only configuration is ours."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._global_dir = str(folder)

    @property
    def run_dir(self) -> str:
        return str(self._init_run_dir)

    @property
    def local_dir(self) -> str:
        return str(self._init_run_dir)

    @property
    def data_dir(self) -> str:
        return str(self._init_run_dir)

    def initial_providers(self) -> list[ConfigProvider]:
        return [CustomLoaderDocProvider("headwater", lambda: _CONFIG, supports_secrets=False)]


def enter(folder: Path) -> None:
    """Let every dlt pipeline of this process, from now on, live in `folder` and nowhere else."""
    stop_telemetry()  # another user of dlt in this process may have started it
    Container()[PluggableRunContext] = PluggableRunContext(_HomeContext(folder))
