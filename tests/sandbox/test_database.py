"""The payment tool's records are in a real Postgres that lives and ends with the tools' server."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from sandbox.company.simulate import simulate
from sandbox.database.filling import TABLES, fill
from sandbox.database.server import Postgres
from sandbox.errors import SandboxError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("company")
    simulate(out, people=60, seed=5, as_of=date(2026, 6, 19))
    return out


def until(condition: Callable[[], Any]) -> Any:
    """What the condition gives once it holds; the test's time limit ends the waiting."""
    while not (found := condition()):
        time.sleep(0.05)
    return found


def url_of(folder: Path) -> str:
    return until(lambda: (folder / "payments.url").read_text() if (folder / "payments.url").exists() else "").strip()


def answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2) as con:
            return con.execute("select count(*) from sandbox.filled").fetchone() == (1,)
    except psycopg.Error:
        return False


def postmaster(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().split()[0]))


def test_the_tables_hold_what_the_simulation_wrote_with_their_types(company: Path) -> None:
    with Postgres(company, port=0) as server:
        assert fill(company, server.url) == sum(counts(company).values())
        assert fill(company, server.url) is None
        with psycopg.connect(server.url) as con:
            assert con.execute("show server_version_num").fetchone()[0].startswith("16")
            for table, expected in counts(company).items():
                assert con.execute(f"select count(*) from {table}").fetchone() == (expected,)
            types = dict(
                con.execute(
                    "select column_name, data_type from information_schema.columns where table_name = 'orders'"
                ).fetchall()
            )
            assert types["total_cents"] == "bigint" and types["ordered_at"] == "timestamp with time zone"
            total, at = con.execute("select sum(total_cents), min(ordered_at) from orders").fetchone()
    with closing(sqlite3.connect(company / "tools.sqlite")) as source:
        expected_total, first = source.execute(
            "select sum(total_cents), min(ordered_at) from payments_orders"
        ).fetchone()
    assert total == expected_total
    assert at.isoformat(timespec="milliseconds") == first.replace("Z", "+00:00")


def counts(folder: Path) -> dict[str, int]:
    with closing(sqlite3.connect(folder / "tools.sqlite")) as source:
        return {t: source.execute(f"select count(*) from payments_{t}").fetchone()[0] for t in TABLES}


def test_any_text_goes_in_as_it_stands(company: Path, tmp_path: Path) -> None:
    odd = "tab\tline\nreturn\r back\\slash \\N ünïcode"
    simulate(tmp_path, people=30, seed=1, as_of=date(2026, 6, 19))
    with closing(sqlite3.connect(tmp_path / "tools.sqlite")) as source, source:
        source.execute("update payments_coupons set code = ? where id = 'cpn_welcome'", (odd,))
    with Postgres(tmp_path, port=0) as server:
        fill(tmp_path, server.url)
        with psycopg.connect(server.url) as con:
            assert con.execute("select code from coupons where id = 'cpn_welcome'").fetchone() == (odd,)


def test_changes_by_hand_stay_until_the_next_simulation_and_rows_that_are_gone_are_deleted(tmp_path: Path) -> None:
    simulate(tmp_path, people=60, seed=5, as_of=date(2026, 6, 15))
    with Postgres(tmp_path, port=0) as server:
        fill(tmp_path, server.url)
        with psycopg.connect(server.url) as con:
            assert con.execute("select count(*) from coupons where code = 'TEST100'").fetchone() == (1,)
            con.execute("update customers set email = 'by.hand@example.com'")
        assert fill(tmp_path, server.url) is None
        simulate(tmp_path, as_of=date(2026, 6, 20))
        assert fill(tmp_path, server.url)
        with psycopg.connect(server.url) as con:
            assert con.execute("select count(*) from coupons where code = 'TEST100'").fetchone() == (0,)
            assert con.execute("select count(*) from customers where email like 'by.hand%'").fetchone() == (0,)


def test_a_taken_port_is_no_obstacle_and_one_folder_is_served_once(company: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with Postgres(company, port=taken) as server:
            assert server.port != taken
            with pytest.raises(SandboxError, match="served already"):
                Postgres(company, port=0).start()
            assert server.is_running


def test_a_copy_of_a_served_folder_can_be_served_beside_it_and_one_that_is_broken_is_made_anew(
    company: Path, tmp_path: Path
) -> None:
    with Postgres(company, port=0) as first:
        fill(company, first.url)
        for name in ("company", "postgres"):
            shutil.copytree(company / name, tmp_path / name)
        shutil.copy(company / "tools.sqlite", tmp_path)
        (tmp_path / "postgres" / "global" / "pg_control").write_bytes(b"broken")
        with Postgres(tmp_path, port=first.port) as second:
            assert second.port != first.port
            assert fill(tmp_path, second.url)
        assert first.is_running


def test_without_the_password_nobody_comes_in(company: Path) -> None:
    with Postgres(company, port=0) as server, pytest.raises(psycopg.OperationalError, match="authentication"):
        psycopg.connect(server.url.replace("sandbox_demo", "guess"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_running_however_the_tools_end(company: Path, number: signal.Signals) -> None:
    (company / "payments.url").unlink(missing_ok=True)
    command = [sys.executable, "-m", "sandbox", "serve", "--dir", str(company), "--port", "0", "--db-port", "0"]
    process = subprocess.Popen(command)
    try:
        until(lambda: answers(url_of(company)))
        server = postmaster(company)
        assert server.is_running()
    finally:
        process.send_signal(number)
        process.wait()
    until(lambda: not psutil.pid_exists(server.pid) or server.status() == psutil.STATUS_ZOMBIE)
    with Postgres(company, port=0) as again:
        assert answers(again.url)


def test_a_database_that_ends_is_started_again_where_it_was(
    company: Path, serving: Callable[..., Any], tmp_path: Path
) -> None:
    (company / "payments.url").unlink(missing_ok=True)
    with serving(company, "--db-port", "0"):
        url = url_of(company)
        until(lambda: answers(url))
        before = postmaster(company)
        before.kill()
        until(lambda: not before.is_running() or before.status() == psutil.STATUS_ZOMBIE)
        until(lambda: answers(url))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root has to become somebody else")
def test_where_root_may_not_enter_a_namespace_the_server_runs_as_nobody(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:  # reachable by everybody, as pytest's own folders are not
        folder = Path(name)
        folder.chmod(0o755)
        data = folder / "data"
        data.mkdir(mode=0o700)
        program = "from pathlib import Path; import os, sys; from sandbox.database.launch import become_nobody as b; "
        program += "b(Path(sys.argv[1])); Path(sys.argv[1], 'mine').touch(); print(os.geteuid())"
        done = subprocess.run([sys.executable, "-c", program, str(data)], capture_output=True, text=True, check=True)
        assert done.stdout.strip() != "0"
        assert (data / "mine").stat().st_uid == data.stat().st_uid == int(done.stdout)
