"""`python -m sandbox` as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_simulate_writes_what_the_contract_names_and_drops_chats(tmp_path: Path) -> None:
    out, inbox = tmp_path / "out", tmp_path / "inbox"
    done = run("simulate", "--out", out, "--people", 80, "--as-of", "2026-06-20", "--inbox", inbox)
    assert done.returncode == 0, done.stderr
    assert "people and" in done.stdout
    told = json.loads((out / "company" / "company.json").read_text())
    assert told["opened"] == "2025-05-01" and told["as_of"] == "2026-06-20" and told["people"] == 80
    assert list((inbox / "contact_centre").glob("*.jsonl"))
    assert {file.stem for file in (out / "truth").iterdir()} >= {"people", "identities", "orders", "cancellations"}
    again = run("simulate", "--out", out, "--as-of", "2026-06-20", "--inbox", inbox)
    assert "already told" in again.stdout and "0 new chat files" in again.stdout


@pytest.mark.slow
def test_what_the_user_can_put_right_is_one_sentence(tmp_path: Path) -> None:
    run("simulate", "--out", tmp_path, "--people", 30, "--as-of", "2026-06-20")
    done = run("simulate", "--out", tmp_path, "--as-of", "2026-06-19")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    done = run("serve", "--dir", tmp_path, "--rate", "crm=fast")
    assert done.returncode == 1 and "TOOL=N" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_busy_port_is_refused_in_one_sentence(tools: httpx.Client, tools_dir: Path) -> None:
    port = urlsplit(str(tools.base_url)).port
    done = run("serve", "--dir", tools_dir, "--port", port)
    assert done.returncode == 1
    assert done.stderr == f"Error: Port {port} on 127.0.0.1 is in use; give another --port.\n"


@pytest.mark.slow
def test_serve_drops_chats_that_appear_and_stops_on_sigterm(
    tools_dir: Path, tmp_path: Path, serving: Callable[..., Any]
) -> None:
    with serving(tools_dir, "--inbox", str(tmp_path)) as client:
        assert client.get("/health").status_code == 200
        written = {file.name for file in (tools_dir / "company" / "chats").glob("*.jsonl")}
        dropped: set[str] = set()
        for _ in range(400):
            dropped = {file.name for file in (tmp_path / "contact_centre").glob("*.jsonl")}
            if dropped == written:
                break
            time.sleep(0.05)
    assert dropped == written
