from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from headwater.errors import DataError, UnavailableError, UsageError
from headwater.settings import load_settings
from headwater.storage.lake import Lake, content_digest, landing_order, open_lake
from tests.s3_server import KEYS, s3_server


@pytest.fixture(scope="module")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3")) as endpoint:
        yield endpoint


@pytest.fixture(params=["local", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    if request.param == "local":
        return open_lake(load_settings(home=tmp_path, lake_url=str(tmp_path / "a lake")))
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3_endpoint"))
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return open_lake(load_settings(home=tmp_path, lake_url=f"s3://bucket/{tmp_path.name}"))


def test_what_was_put_is_listed_in_order_and_read_back(lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "chat.jsonl"
    file.write_bytes(b"x" * 70_000)
    lake.put("files/chats/b-2.jsonl", file)
    assert lake.put("files/chats/a-1.jsonl", b"one").size == 3
    lake.put("events/received_date=2026-01-01/1.parquet", b"")

    assert [(item.key, item.size) for item in lake.list("files/")] == [
        ("files/chats/a-1.jsonl", 3),
        ("files/chats/b-2.jsonl", 70_000),
    ]
    assert [item.key for item in lake.list("files/chats/a")] == ["files/chats/a-1.jsonl"]
    assert len(lake.list()) == 3
    assert lake.get("files/chats/b-2.jsonl") == file.read_bytes()
    assert lake.exists("files/chats/a-1.jsonl")


def test_an_empty_lake_lists_nothing_and_names_what_it_does_not_hold(lake: Lake) -> None:
    assert lake.list("events/") == []
    assert not lake.exists("events/none.parquet")
    with pytest.raises(DataError, match=r"none\.parquet"):
        lake.get("events/none.parquet")


def test_putting_the_same_object_twice_leaves_one(lake: Lake) -> None:
    lake.put("extracts/crm/contacts/1.parquet", b"same")
    lake.put("extracts/crm/contacts/1.parquet", b"same")

    assert len(lake.list("extracts/")) == 1


def test_duckdb_reads_objects_by_their_uri(lake: Lake, tmp_path: Path) -> None:
    con = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    keys = [f"events/received_date=2026-01-0{day}/{day}.parquet" for day in (1, 2)]
    for number, key in enumerate(keys):
        con.execute(f"copy (select {number} as n) to '{tmp_path / 'one.parquet'}' (format parquet)")
        lake.put(key, tmp_path / "one.parquet")
    lake.configure(con)

    rows = con.execute("select n, filename from read_parquet(?, filename = true)", [[lake.uri(k) for k in keys]])
    assert rows.fetchall() == [(0, lake.uri(keys[0])), (1, lake.uri(keys[1]))]


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../outside", "a/../../b", "a//b"])
def test_a_key_never_leaves_the_lake(tmp_path: Path, key: str) -> None:
    lake = open_lake(load_settings(home=tmp_path, lake_url=str(tmp_path / "lake")))
    with pytest.raises(UsageError, match="key of the lake"):
        lake.put(key, b"x")


def test_what_a_killed_writer_left_behind_is_not_an_object(tmp_path: Path) -> None:
    lake = open_lake(load_settings(home=tmp_path, lake_url=str(tmp_path / "lake")))
    lake.put("events/1.parquet", b"whole")
    (tmp_path / "lake" / "events" / "2.parquet.0123.part").write_bytes(b"half")

    assert [item.key for item in lake.list()] == ["events/1.parquet"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file, not a folder")
    lake = open_lake(load_settings(home=tmp_path, lake_url=str(tmp_path / "lake")))
    with pytest.raises(UnavailableError, match="cannot be written"):
        lake.put("events/1.parquet", b"x")


@pytest.mark.slow
def test_a_missing_bucket_is_one_sentence(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    lake = open_lake(load_settings(home=tmp_path, lake_url="s3://nowhere/prefix"))
    with pytest.raises((UnavailableError, DataError), match="s3://nowhere/prefix/ cannot list objects"):
        lake.list()


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        lake = open_lake(load_settings(home=tmp_path, lake_url="s3://bucket/prefix"))
        with pytest.raises(UnavailableError, match="s3://bucket/prefix/ cannot put"):
            lake.put("events/1.parquet", b"x")


@pytest.mark.parametrize("url", ["gs://bucket/x", "s3:///x"])
def test_a_url_that_is_no_lake_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match=url):
        open_lake(load_settings(home=tmp_path, lake_url=url))


def test_landing_order_is_by_file_name_then_key() -> None:
    keys = ["b/2", "a/3", "c/1", "a/2"]

    assert sorted(keys, key=landing_order) == ["c/1", "a/2", "b/2", "a/3"]
    assert content_digest(b"x") != content_digest(b"y")
