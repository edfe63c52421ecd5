"""A quarantined row is put through once: by command and HTTP, by two at the same time, and over kills."""

# ruff: noqa: F401, F811 - fixtures of the neighbour
from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from headwater.collect.replayed import READER, Claim, Replayed
from headwater.configuration import load_config
from headwater.errors import UnavailableError
from headwater.settings import CHECKOUT, load_settings
from headwater.storage.log import Envelope, LogWriter, encode_envelope, frame
from headwater.storage.log.reader import saved_positions
from tests.collect.conftest import CollectorProcess, free_port
from tests.collect.test_replay import TOKEN, again, landed, order, planned, shop

AT = datetime(2026, 5, 4, 10)


def row(number: int, **more: Any) -> str:
    payload = {"type": "track", "event": "Product Viewed", "userId": "u", "messageId": f"m{number}"}
    known = {"quarantineId": f"q{number}", "source": "web", "receivedAt": "2026-05-04T10:00:00", "payload": payload}
    return json.dumps(known | more)


def post(shop: CollectorProcess, *rows: str) -> dict[str, Any]:
    answer = shop.client.post(f"{shop.url}/v1/replay", content="\n".join(rows), headers=TOKEN)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def put_through(shop: CollectorProcess) -> Counter[str]:
    """How many records of the log replay each row."""
    return Counter(one.envelope.replays for one in shop.events() if one.envelope.replays)


def exported(shop: CollectorProcess, file: Path) -> list[str]:
    again(shop, "--export", str(file))
    return file.read_text().splitlines()


@pytest.fixture
def mended(shop, tmp_path):
    """Three orders kept aside by a plan that is mended now."""
    shop.post("/v1/batch", {"batch": [order(number, "7 EUR") for number in range(3)]})
    landed(shop)
    planned(tmp_path, "string")
    landed(shop)
    return shop


@pytest.mark.slow
@pytest.mark.slow
def test_what_http_put_through_the_command_does_not_and_says_so(mended, tmp_path):
    rows = exported(mended, tmp_path / "rows.ndjson")
    assert post(mended, *rows[:2])["accepted"] == 2
    output = again(mended).output
    assert "1 rows put through again: 1 events accepted" in output
    assert "2 rows were already replayed" in output
    assert set(put_through(mended).values()) == {1}


@pytest.mark.slow
@pytest.mark.slow
def test_what_the_command_put_through_http_does_not_and_says_so(mended, tmp_path):
    rows = exported(mended, tmp_path / "rows.ndjson")
    assert "3 rows put through again" in again(mended).output
    told = post(mended, *rows)
    assert (told["accepted"], told["alreadyReplayed"]) == (0, 3)
    assert {one["reason"] for one in told["already"]} == {"already replayed"}
    mended.stop()
    mended.start()
    assert post(mended, *rows)["alreadyReplayed"] == 3, "also after a restart"
    assert sorted(put_through(mended).values()) == [1, 1, 1]


def test_two_at_the_same_time_put_each_row_through_once(shop):
    rows = [row(number) for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: post(shop, *rows), range(4)))
    assert sum(one["accepted"] for one in told) == 200
    assert sum(one["alreadyReplayed"] for one in told) == 600
    assert put_through(shop) == Counter({f"q{number}": 1 for number in range(200)})


def test_a_row_twice_in_one_request_is_put_through_once(shop):
    told = post(shop, row(1), row(2), row(1))
    assert (told["accepted"], told["alreadyReplayed"], told["already"][0]["quarantineId"]) == (2, 1, "q1")


def test_one_that_was_kept_aside_again_since_may_be_put_through_anew_once(shop):
    first = post(shop, row(1))["replayedAt"]
    assert post(shop, row(1, keptAgainAt="2026-05-04T10:00:00"))["alreadyReplayed"] == 1, "that was before"
    assert post(shop, row(1, keptAgainAt=first))["accepted"] == 1
    assert post(shop, row(1, keptAgainAt=first))["alreadyReplayed"] == 1


@pytest.mark.slow
@pytest.mark.slow
def test_kills_at_random_moments_leave_each_row_in_the_log_once(shop):
    """Senders go on over the kills, until every row was answered for."""
    rows = [[row(number), row(number + 1)] for number in range(0, 400, 2)]
    stop = threading.Event()

    def send(pair: list[str]) -> None:
        while not stop.is_set():
            try:
                post(shop, *pair)
                return
            except (httpx.TransportError, AssertionError):
                time.sleep(0.05)

    chance = random.Random(3)
    with ThreadPoolExecutor(4) as pool:
        senders = [pool.submit(send, pair) for pair in rows]
        try:
            for _ in range(8):
                time.sleep(chance.random() / 5)
                shop.stop(signal.SIGKILL)
                shop.start()
            for sender in senders:
                sender.result(timeout=600)
        finally:
            stop.set()
    assert put_through(shop) == Counter({f"q{number}": 1 for number in range(400)})
    assert post(shop, *[one for pair in rows for one in pair])["alreadyReplayed"] == 400


def written(log_dir: Path, *ids: str, at: datetime = AT) -> None:
    async def run() -> None:
        log = LogWriter(log_dir)
        log.open()
        for key in ids:
            envelope = encode_envelope(Envelope("web", "live", AT, replays=key, replayed_at=at))
            await log.append([frame(envelope, f"m-{key}", b"{}")])
        await log.close()

    asyncio.run(run())


def test_a_kill_between_the_log_and_the_mark_is_settled_by_what_the_log_holds(tmp_path):
    written(tmp_path, "before")
    Replayed(tmp_path).claim({"there": Claim(AT, 1), "lost": Claim(AT, 1), "half": Claim(AT, 2)})
    written(tmp_path, "there", "half")

    again = Replayed(tmp_path)
    assert again.when(["there", "lost", "half"]) == {}, "a claim is no mark"
    assert saved_positions(tmp_path)[READER].segment, "the lander must not remove what tells"
    assert again.settle() == 1
    assert again.when(["there", "lost", "half"]) == {"there": AT}
    assert READER not in saved_positions(tmp_path)


def test_an_earlier_record_of_the_same_row_does_not_stand_for_a_later_claim(tmp_path):
    marks = Replayed(tmp_path)
    marks.claim({"q": Claim(AT, 1)})
    written(tmp_path, "q")
    marks.confirm()
    marks.claim({"q": Claim(AT.replace(hour=11), 1)})
    assert Replayed(tmp_path).settle() == 0
    assert marks.when(["q"]) == {}


def test_marks_that_cannot_be_read_stop_replays_and_nothing_else(shop):
    shop.stop()
    marks = Replayed(shop.settings.log_dir)
    marks.path.write_bytes(b"no database" * 100)
    with pytest.raises(UnavailableError, match="not a database"):
        marks.when(["q"])
    shop.start()
    answer = shop.client.post(f"{shop.url}/v1/replay", content=row(1), headers=TOKEN)
    assert (answer.status_code, answer.json()["code"]) == (503, "replays_unavailable")
    assert shop.post("/v1/page", {"userId": "u"}).status_code == 200


def test_a_kill_in_the_middle_of_a_mark_leaves_them_readable(tmp_path):
    """SQLite leaves a journal then, which the next one to open the file rolls back."""
    marks = Replayed(tmp_path)
    marks.claim({f"q{number}": Claim(AT, 0) for number in range(500)})
    dies = (
        "import os, sqlite3, sys; con = sqlite3.connect(sys.argv[1]); con.execute('pragma cache_size = 1');"
        "con.execute('update replayed set is_claim = 0, at = at || hex(zeroblob(2000))'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", dies, str(marks.path)]).returncode == 9
    assert marks.path.with_name("replayed.sqlite-journal").stat().st_size, "the journal is there"
    assert marks.when(["q1"]) == {}
    assert marks.settle() == 500
    assert marks.when(["q1"]) == {"q1": AT}


def test_a_kill_before_there_was_a_mark_leaves_none(tmp_path):
    marks = Replayed(tmp_path)
    marks.path.touch()
    assert (marks.settle(), marks.when(["q"])) == (0, {})


def test_marks_that_cannot_be_read_are_said_at_the_start_and_events_are_taken_all_the_same(tmp_path):
    settings = load_settings(tmp_path, CHECKOUT / "config" / "examples" / "minimal", collector_port=free_port())
    settings.log_dir.mkdir(parents=True)
    (settings.log_dir / "replayed.sqlite").write_text("no database")
    collector = CollectorProcess(settings, load_config(settings)).start()
    try:
        assert collector.post("/v1/page", {"userId": "u"}).status_code == 200
    finally:
        collector.stop()
    assert b"replayed.sqlite cannot be used" in collector.process.stderr.read()
