"""docker/ describes the same processes as `make up` starts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from headwater.entrance.services import PREPARE, services
from headwater.settings import CHECKOUT, load_settings

COMPOSE = yaml.safe_load((CHECKOUT / "docker" / "compose.yaml").read_text())
DOCKERFILE = (CHECKOUT / "docker" / "Dockerfile").read_text()
NOT_A_ROLE = {"redis", "prepare", "company"}
SERVICES = services(load_settings(home="/home/headwater/var"))


def stage_commands() -> dict[str, list[str]]:
    """Stage name → its CMD."""
    stages = re.split(r"^FROM base AS ", DOCKERFILE, flags=re.MULTILINE)[1:]
    return {stage.split()[0]: json.loads(re.search(r"^CMD (.*)$", stage, re.MULTILINE).group(1)) for stage in stages}


def comparable(words: list[str]) -> list[str]:
    """A command without the address it binds and the folders it stands in, which differ in a container."""
    return [Path(w).name if "/" in w else w for w in words if w not in {"127.0.0.1", "0.0.0.0", "--host", "-h"}]


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


def test_only_the_example_company_is_behind_a_profile():
    behind = {name for name, service in COMPOSE["services"].items() if service.get("profiles")}
    assert behind == {"company"} | {service.name for service in SERVICES if service.example_only}


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
