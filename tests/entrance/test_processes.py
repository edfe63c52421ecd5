"""Children of an entrance start, are waited for, and never outlive it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from headwater.entrance.processes import Processes, check_ports, run_step
from headwater.entrance.services import Service
from headwater.errors import BusyError, HeadwaterError, UnavailableError
from headwater.settings import load_settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def settings(tmp_path):
    return load_settings(home=tmp_path, config=tmp_path)


def server(port: int) -> Service:
    return Service("web", ("python", "-m", "http.server", str(port), "--bind", "127.0.0.1"), port, "/")


def test_a_service_is_waited_for_and_stopped(settings):
    port = free_port()
    with Processes(settings) as processes:
        processes.start(server(port))
        pid = processes.children["web"].pid
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)
    check_ports(settings, [server(port)])


def test_a_taken_port_names_the_service_and_its_holder(settings):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(BusyError, match=rf"Port {port} for the web is taken.*process {os.getpid()}"):
            check_ports(settings, [server(port)])


def test_a_service_that_ends_while_starting_says_its_last_line(settings):
    service = Service("broken", ("python", "-c", "import sys; sys.exit('no such thing')"), free_port(), "/")
    with Processes(settings) as processes, pytest.raises(UnavailableError, match="no such thing"):
        processes.start(service)


def test_a_step_that_fails_says_its_last_line_and_its_log(settings):
    with pytest.raises(HeadwaterError, match=r"simulate failed: out of luck .*simulate\.log"):
        run_step(settings, [sys.executable, "-c", "import sys; sys.exit('out of luck')"], "simulate")


@pytest.mark.slow
def test_the_next_entrance_ends_what_a_killed_one_left(settings):
    code = (
        "import signal, time\nfrom headwater.entrance.processes import Processes\n"
        "from headwater.entrance.services import Service\nfrom headwater.settings import load_settings\n"
        f"processes = Processes(load_settings(home={str(settings.home)!r}))\n"
        # ignores the signal that the kernel sends when its parent dies, as a stubborn child would
        "child = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)'\n"
        "processes.start(Service('stubborn', ('python', '-c', child)))\n"
        "time.sleep(1)\nprint(processes.children['stubborn'].pid, flush=True)\ntime.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as entrance:
        assert entrance.stdout is not None
        pid = int(entrance.stdout.readline())
        entrance.send_signal(signal.SIGKILL)
        entrance.wait()
    time.sleep(0.2)
    assert psutil.pid_exists(pid)
    with Processes(settings):
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
