"""docker/ describes the same processes as `make up` starts."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from headwater.configuration import load_config
from headwater.entrance.services import PREPARE, services, wanted
from headwater.settings import CHECKOUT, load_settings

COMPOSE = yaml.safe_load((CHECKOUT / "docker" / "compose.yaml").read_text())
DOCKERFILE = (CHECKOUT / "docker" / "Dockerfile").read_text()
NOT_A_ROLE = {"redis", "kafka", "prepare", "company"}
SERVICES = services(load_settings(home="/home/headwater/var"))


def stage_commands() -> dict[str, list[str]]:
    """Stage name → its CMD."""
    stages = re.split(r"^FROM base AS ", DOCKERFILE, flags=re.MULTILINE)[1:]
    return {stage.split()[0]: json.loads(re.search(r"^CMD (.*)$", stage, re.MULTILINE).group(1)) for stage in stages}


def comparable(words: list[str]) -> list[str]:
    """A command without the address it binds or calls and the folders it stands in, which differ in a container."""
    hosts = {place + 1 for place, word in enumerate(words) if word in {"--host", "-h"}}
    kept = [word for place, word in enumerate(words) if place not in hosts and place + 1 not in hosts]
    return [Path(word).name if "/" in word else word for word in kept]


def test_compose_runs_the_processes_of_make_up_in_the_same_order():
    assert [name for name in COMPOSE["services"] if name not in NOT_A_ROLE] == [service.name for service in SERVICES]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_each_image_runs_the_command_of_make_up(service):
    assert comparable(stage_commands()[service.name]) == comparable(list(service.command))


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_each_service_is_built_from_its_own_stage_and_publishes_its_port_locally(service):
    described = COMPOSE["services"][service.name]
    assert described["build"]["target"] == service.name
    assert "command" not in described
    expected = [f"127.0.0.1:{service.port}:{service.port}"] if service.port else []
    assert described.get("ports", []) == expected


def test_the_example_company_and_kafka_are_behind_a_profile_each_and_nothing_else_is():
    behind = {name: service["profiles"] for name, service in COMPOSE["services"].items() if "profiles" in service}
    assert behind == {
        **{"company": ["example"], "kafka": ["kafka"]},
        **{service.name: ["example"] for service in SERVICES if service.example_only},
        **{service.name: ["kafka"] for service in SERVICES if service.kafka_only},
    }


def test_consume_reads_from_the_broker_of_this_file_and_gives_to_its_collector(tmp_path, monkeypatch):
    consume, broker = COMPOSE["services"]["consume"], COMPOSE["services"]["kafka"]
    command = stage_commands()["consume"]
    collector = next(service for service in SERVICES if service.name == command[command.index("--host") + 1])
    assert command[command.index("--port") + 1] == str(collector.port)
    waits = {"collector": {"condition": "service_started"}, "kafka": {"condition": "service_healthy"}}
    assert waits.items() <= consume["depends_on"].items()
    assert "kafka-topics.sh" in " ".join(broker["healthcheck"]["test"])
    [brokers] = re.findall(r"\$\{KAFKA_BROKERS:-([^}]+)\}", consume["environment"]["KAFKA_BROKERS"])
    assert broker["environment"]["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{brokers}"
    # the source that stands in a comment, as somebody takes it out
    shutil.copytree(CHECKOUT / "config", tmp_path / "config")
    sources = tmp_path / "config" / "sources.yaml"
    text = sources.read_text()
    beginning, mark, commented = text.partition("  # orders_bus:\n")
    block = "".join(mark + commented).replace("  # ", "  ")
    sources.write_text(beginning + block)
    monkeypatch.setenv("KAFKA_BROKERS", brokers)
    settings = load_settings(home=tmp_path / "home", config=tmp_path / "config")
    config = load_config(settings)
    assert config.sources["orders_bus"].bootstrap_servers == brokers
    assert "consume" in [service.name for service in wanted(settings, config, with_example=False)]


def test_the_sandbox_signs_with_the_variables_that_the_config_names():
    sources = yaml.safe_load((CHECKOUT / "config" / "sources.yaml").read_text())["sources"]
    expected = [
        f"{name}=${{{re.match(r'.{2}([A-Z_]+):-', source['secret']).group(1)}:-}}"
        for name, source in sources.items()
        if source["kind"] == "webhook"
    ]
    assert COMPOSE["services"]["sandbox"]["environment"]["SANDBOX_HOOK_SECRETS"].splitlines() == expected


def test_the_command_at_the_head_starts_the_example_company_which_has_been_through_a_whole_run():
    head = (CHECKOUT / "docker" / "compose.yaml").read_text().partition("\nname:")[0]
    assert "docker compose -f docker/compose.yaml --profile example up" in head
    company = COMPOSE["services"]["company"]
    [make_run] = re.findall(r"^run:.*\n\t(.*)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert " ".join(company["command"]) in make_run.replace("$(BIN)/", "")
    sandbox = next(service for service in SERVICES if service.example_only)
    assert company["environment"]["SANDBOX_URL"] == f"http://127.0.0.1:{sandbox.port}"  # the one that it starts itself
    assert company["volumes"] == COMPOSE["services"]["sandbox"]["volumes"]
    assert "restart" not in company


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_no_process_starts_before_the_run_has_ended_and_without_the_example_none_waits_for_it(service):
    waits = COMPOSE["services"][service.name]["depends_on"]
    assert waits["company"] == {"condition": "service_completed_successfully", "required": False}
    assert all(other.get("required", True) for name, other in waits.items() if name != "company")


def test_each_image_exposes_the_port_of_its_service():
    stages = re.split(r"^FROM base AS ", DOCKERFILE, flags=re.MULTILINE)[1:]
    exposed = {
        stage.split()[0]: [int(port) for port in re.findall(r"^EXPOSE (\d+)", stage, re.MULTILINE)] for stage in stages
    }
    assert exposed == {service.name: [service.port] if service.port else [] for service in SERVICES}


def test_what_the_image_copies_is_in_the_repository():
    sources = [word for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]]
    assert len(sources) > 1
    ignored = {line.rstrip("/") for line in (CHECKOUT / ".dockerignore").read_text().split()}
    for source in sources:
        assert (CHECKOUT / source).exists()
        assert source not in ignored


def test_compose_prepares_as_make_up_does():
    assert COMPOSE["services"]["prepare"]["command"] == list(PREPARE)


def test_every_variable_of_the_config_reaches_the_containers():
    config = CHECKOUT / "config"
    files = [file for file in config.rglob("*.yaml") if config / "examples" not in file.parents]
    named = {name for file in files for name in re.findall(r"\$\{([A-Z0-9_]+)", file.read_text())}
    assert named
    for service in ("prepare", "company", *(service.name for service in SERVICES)):
        assert named <= set(COMPOSE["services"][service]["environment"])
