"""The processes of a running platform, as data: `make up` starts them, `docker/compose.yaml` is tested against them.

Belongs here: names, commands, ports, and which of them `make run` needs. Does not belong here: starting them
(`headwater.entrance.processes`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from headwater.configuration import Config, KafkaSource, WebhookSource
from headwater.settings import CHECKOUT, Settings

BIN = Path(sys.executable).parent
PREPARE = ("python", "-m", "orchestration.launch", "--prepare")
"""What must have run once before the services start."""


@dataclass(frozen=True)
class Service:
    """One long-running process.

    Attributes:
        name: what it is called here, in the logs and in `docker/compose.yaml`.
        command: its words; the first is looked up beside the running Python.
        port: the TCP port it answers on, or None.
        health: the path that answers 200 once it is ready, or None.
        port_variable: the environment variable that chooses another port.
        example_only: part of the example company, not of a real installation.
        kafka_only: runs only where a source is Kafka.
        environment: variables of its own; what must not stand in its command, which everybody on the machine can read.
    """

    name: str
    command: tuple[str, ...]
    port: int | None = None
    health: str | None = None
    port_variable: str = ""
    example_only: bool = False
    kafka_only: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    def argv(self) -> list[str]:
        """The command with its executable resolved beside the running Python."""
        first, *rest = self.command
        return [sys.executable if first == "python" else str(BIN / first), *rest]


def services(settings: Settings) -> list[Service]:
    """Every process that `make up` may start, in flow order; see `wanted`. Redis is not among them: whoever needs it
    starts the embedded one."""
    workspace = str(CHECKOUT / "workspace.yaml")
    return [
        Service(
            "sandbox",
            (
                *("python", "-m", "sandbox", "serve", "--dir", str(settings.sandbox_dir)),
                *("--port", str(settings.sandbox_port), "--host", settings.host, "--inbox", str(settings.inbox)),
                *("--collector", settings.collector_url, "--db-port", str(settings.sandbox_db_port)),
                "--hooks",
            ),
            settings.sandbox_port,
            "/",
            "HEADWATER_SANDBOX_PORT",
            example_only=True,
        ),
        Service(
            "collector",
            ("headwater", "collect", "--port", str(settings.collector_port)),
            settings.collector_port,
            "/health",
            "HEADWATER_COLLECTOR_PORT",
        ),
        Service("consume", ("headwater", "consume", "--port", str(settings.collector_port)), kafka_only=True),
        Service("stream", ("headwater", "stream")),
        Service(
            "api",
            ("headwater", "serve", "--port", str(settings.api_port)),
            settings.api_port,
            "/health",
            "HEADWATER_API_PORT",
        ),
        Service(
            "dagster-webserver",
            (
                *("dagster-webserver", "-w", workspace),
                *("-h", settings.host, "-p", str(settings.dagster_port)),
            ),
            settings.dagster_port,
            "/server_info",
            "HEADWATER_DAGSTER_PORT",
        ),
        # Every 60 s the daemon starts a new code server on purpose (RELOAD_WORKSPACE_INTERVAL in dagster/_daemon/
        # controller.py, no setting of ours): so sensors and schedules follow edits of config/ and code by themselves.
        # The one before gets no more heartbeats and ends itself after 20 s with the warning «No heartbeat received»,
        # which is no fault; hence the level. It costs 5-8 CPU seconds a minute, and a sensor must answer within those
        # 80 s (dagster-io/dagster issue 32677; the default sensor timeout is 60 s). One server for both, by
        # `dagster code-server start`, would save that and follow no edit until somebody asks for a reload.
        Service("dagster-daemon", ("dagster-daemon", "run", "-w", workspace, "--code-server-log-level", "error")),
    ]


def wanted(settings: Settings, config: Config, *, with_example: bool) -> list[Service]:
    """The processes that an installation with this config runs: `headwater consume` only where a source is Kafka; the
    example company's tools sign their calls with the secrets that the config names."""
    has_kafka = any(isinstance(source, KafkaSource) for source in config.sources.values())
    return [
        replace(one, environment={"SANDBOX_HOOK_SECRETS": _hook_secrets(config)}) if one.name == "sandbox" else one
        for one in services(settings)
        if (with_example or not one.example_only) and (has_kafka or not one.kafka_only)
    ]


def _hook_secrets(config: Config) -> str:
    """`SOURCE=SECRET`, one a line, as the sandbox takes them."""
    found = {name: one.secret for name, one in config.sources.items() if isinstance(one, WebhookSource)}
    return "\n".join(f"{name}={secret}" for name, secret in found.items())


def service(settings: Settings, name: str) -> Service:
    """The service called `name`."""
    return next(s for s in services(settings) if s.name == name)
