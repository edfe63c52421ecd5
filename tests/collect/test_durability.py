"""Killed, out of disk, started twice: a real collector process."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import threading
from pathlib import Path

import httpx
import pytest
import segment.analytics

from headwater.storage.log import segments
from tests.collect.conftest import COMMAND, WEB, CollectorProcess


def batch(prefix: str, count: int, size: int = 200) -> dict:
    events = [
        {"type": "page", "userId": "u", "messageId": f"{prefix}-{n}", "properties": {"text": "x" * size}}
        for n in range(count)
    ]
    return {"batch": events}


def acknowledged_until(
    collector: CollectorProcess, sign: signal.Signals, *, workers: int, events: int, enough: int
) -> set[str]:
    """The message ids that were acknowledged to so many senders, in requests of so many events, before the signal,
    which comes while they send and after there were `enough`."""
    acknowledged: set[str] = set()
    is_enough = threading.Event()

    def send(worker: int) -> None:
        with httpx.Client(base_url=collector.url, auth=WEB) as client:
            for n in range(10_000):
                try:
                    answer = client.post("/v1/batch", json=batch(f"{worker}-{n}", events))
                except httpx.TransportError:
                    return
                if answer.status_code == 200:
                    acknowledged.update(f"{worker}-{n}-{i}" for i in range(events))
                if len(acknowledged) > enough:
                    is_enough.set()

    threads = [threading.Thread(target=send, args=(worker,)) for worker in range(workers)]
    for thread in threads:
        thread.start()
    assert is_enough.wait(60)
    collector.stop(sign)
    for thread in threads:
        thread.join()
    return acknowledged


def test_kill_9_in_the_middle_loses_nothing_acknowledged(collector: CollectorProcess) -> None:
    acknowledged = acknowledged_until(collector, signal.SIGKILL, workers=6, events=10, enough=500)
    assert acknowledged <= {record.message_id for record in collector.records()}


@pytest.mark.slow
def test_sigterm_under_load_loses_nothing_acknowledged_and_ends_cleanly(collector: CollectorProcess) -> None:
    acknowledged = acknowledged_until(collector, signal.SIGTERM, workers=4, events=5, enough=200)
    assert collector.process is not None
    assert collector.process.returncode == 0
    assert all(segment.is_sealed for segment in segments(collector.log_dir))
    assert acknowledged <= {record.message_id for record in collector.records()}


def test_sigterm_seals_the_log(collector: CollectorProcess) -> None:
    collector.post("/v1/batch", batch("m", 3))
    collector.stop()
    assert collector.process is not None
    assert collector.process.returncode == 0
    assert [segment.is_sealed for segment in segments(collector.settings.log_dir)] == [True]


@pytest.mark.slow
def test_a_restart_after_kill_9_goes_on_in_a_new_segment(collector: CollectorProcess) -> None:
    collector.post("/v1/batch", batch("before", 2))
    collector.stop(signal.SIGKILL)
    collector.start()
    collector.post("/v1/batch", batch("after", 2))
    assert [r.message_id for r in collector.records()] == ["before-0", "before-1", "after-0", "after-1"]
    assert len(segments(collector.settings.log_dir)) == 2


def test_a_full_disk_is_a_503_with_retry_after_and_nothing_acknowledged_is_lost(
    new_collector: CollectorProcess,
) -> None:
    # the kernel refuses to let any file of that process grow beyond this, as a full disk would
    new_collector.preexec = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    collector = new_collector.start()
    acknowledged, refused = set(), 0
    for n in range(40):
        answer = collector.post("/v1/batch", batch(str(n), 50, size=400))
        if answer.status_code == 200:
            acknowledged |= {f"{n}-{i}" for i in range(50)}
        else:
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert set(answer.json()) >= {"code", "message"}
            refused += 1
    assert refused
    assert acknowledged == {record.message_id for record in collector.records()}


def test_a_disk_that_is_full_from_the_start_shows_in_health(new_collector: CollectorProcess) -> None:
    new_collector.preexec = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    collector = new_collector.start()
    assert collector.post("/v1/batch", batch("m", 20)).status_code == 503
    health = httpx.get(f"{collector.url}/health")
    assert health.status_code == 503
    assert "cannot be written" in health.json()["message"]


@pytest.mark.slow
def test_a_busy_port_is_one_clear_sentence(collector: CollectorProcess, tmp_path: Path) -> None:
    other = ["--home", str(tmp_path / "other"), "--config", str(collector.settings.config_dir)]
    port = str(collector.settings.collector_port)
    done = subprocess.run([*COMMAND, *other, "--port", port], capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert f"Port {port}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_home_that_cannot_be_made_is_one_clear_sentence(collector: CollectorProcess, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    other = ["--home", str(tmp_path / "file" / "home"), "--config", str(collector.settings.config_dir), "--port", "0"]
    done = subprocess.run([*COMMAND, *other], capture_output=True, text=True, timeout=60)
    assert done.returncode == 4
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_official_sdk_sends_and_its_events_arrive(collector: CollectorProcess) -> None:
    errors: list[object] = []
    client = segment.analytics.Client(
        WEB[0], host=collector.url, gzip=True, on_error=lambda error, items: errors.append(error)
    )
    for n in range(250):
        client.track(f"u{n}", "Order Completed", {"total": n / 2})
    client.identify("u1", {"email": "u1@example.com"})
    client.shutdown()
    assert errors == []
    events = [json.loads(record.payload) for record in collector.events()]
    assert len(events) == 251
    assert {event["properties"]["total"] for event in events if event["type"] == "track"} == {n / 2 for n in range(250)}
    assert all(record.envelope.sent_at for record in collector.events())
