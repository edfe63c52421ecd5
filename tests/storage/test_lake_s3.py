"""The lake on S3 when S3 is not as it should be: what is said, what is never said, what is asked how often."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from headwater.errors import HeadwaterError, UnavailableError, UsageError
from headwater.settings import load_settings
from headwater.storage.lake import Lake, open_lake
from headwater.storage.lake.s3 import S3Lake
from headwater.storage.warehouse.connection import outside
from tests.s3_front import Front, front
from tests.s3_server import KEYS, s3_server

pytestmark = pytest.mark.slow

SECRET = "wJalrXUtnFEMI-a-wrong-one"
KEY = "events/1.parquet"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with s3_server(tmp_path_factory.mktemp("s3")) as endpoint, front(endpoint) as before:
        yield before


@pytest.fixture
def s3(server: Front, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """The server, with its keys in the environment, and one object in the lake `s3://bucket/lake`."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": server.url}.items():
        monkeypatch.setenv(name, value)
    lake = S3Lake("s3://bucket/lake")
    if not lake.exists(KEY):
        lake.put(KEY, parquet())
    yield server
    server.fails, server.is_down = lambda kind, path: False, False


def parquet() -> bytes:
    import io

    import pyarrow as pa
    from pyarrow import parquet

    out = io.BytesIO()
    parquet.write_table(pa.table({"n": [1]}), out)
    return out.getvalue()


def reader(lake: Lake) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    lake.configure(con)
    return con


def read(lake: Lake) -> list[tuple[int]]:
    with reader(lake) as con:
        return con.execute("select n from read_parquet(?)", [lake.uri(KEY)]).fetchall()


def test_a_bucket_that_is_not_there_is_named_with_what_to_do(s3: Front) -> None:
    with pytest.raises(UnavailableError, match=f"cannot be used: {s3.url} has no bucket «nowhere». Make the bucket"):
        S3Lake("s3://nowhere/lake").check()


def test_refused_keys_are_told_and_the_secret_never_is(s3: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    lake = S3Lake("s3://bucket/lake")
    for call in (lake.check, lake.list, lambda: lake.put("k", b"x"), lambda: lake.get(KEY), lambda: lake.exists(KEY)):
        with pytest.raises(UnavailableError, match=r"refuses the keys .*AWS_SECRET_ACCESS_KEY") as told:
            call()
        assert SECRET not in "".join(traceback.format_exception(told.value))
    with pytest.raises(duckdb.HTTPException, match="403") as read_error:
        read(lake)
    assert outside(read_error.value)
    assert SECRET not in "".join(traceback.format_exception(read_error.value))
    with reader(lake) as con:
        assert SECRET not in str(con.execute("from duckdb_secrets()").fetchall())


def test_no_keys_at_all_are_told(s3: Front, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(UnavailableError, match="there are no keys for S3"):
        S3Lake("s3://bucket/lake").check()


def test_a_server_that_is_busy_for_a_moment_is_not_noticed(s3: Front) -> None:
    busy = iter([True, True, False, True, True])
    s3.fails = lambda kind, path: next(busy, False)
    lake = S3Lake("s3://bucket/lake")
    assert [found.key for found in lake.list()] == [KEY]
    assert read(lake) == [(1,)]


def test_a_server_that_stays_busy_is_told_with_its_answer(s3: Front) -> None:
    s3.fails = lambda kind, path: True
    lake = S3Lake("s3://bucket/lake")
    with pytest.raises(UnavailableError, match=r"cannot put k: http://\S+ answered 503 \(SlowDown\) to \d tries"):
        lake.put("k", b"x")
    with pytest.raises(duckdb.Error, match="503") as told:
        read(lake)
    assert outside(told.value)


def test_a_server_that_is_gone_is_told_and_is_no_fault_of_the_data(s3: Front) -> None:
    lake = S3Lake("s3://bucket/lake")
    with reader(lake) as con:
        s3.is_down = True
        with pytest.raises(UnavailableError, match=f"{s3.url} does not answer .* Nothing is lost"):
            lake.list()
        with pytest.raises(duckdb.Error) as told:
            con.execute("select n from read_parquet(?)", [lake.uri(KEY)]).fetchall()
        assert outside(told.value)
        s3.is_down = False
        assert con.execute("select n from read_parquet(?)", [lake.uri(KEY)]).fetchall() == [(1,)]


def test_an_object_that_is_not_there_is_a_fault_of_the_data(s3: Front) -> None:
    lake = S3Lake("s3://bucket/lake")
    with reader(lake) as con, pytest.raises(duckdb.HTTPException, match="404") as told:
        con.execute("select n from read_parquet(?)", [lake.uri("events/none.parquet")])
    assert not outside(told.value)


def test_a_process_has_one_client_however_often_it_opens_the_lake(s3: Front, tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, lake_url="s3://bucket/lake/")
    open_lake(settings).list()
    before = s3.connections
    for number in range(20):
        lake = open_lake(settings)
        lake.put(f"many/{number}", b"x")
        lake.list("many/")
    assert s3.connections == before


def test_an_object_is_looked_at_once_however_many_statements_read_it(s3: Front) -> None:
    lake = S3Lake("s3://bucket/lake")
    with reader(lake) as con:
        before = s3.requests.copy()
        for _ in range(5):
            con.execute("select num_rows from parquet_file_metadata(?)", [lake.uri(KEY)]).fetchall()
            con.execute("select n from read_parquet(?)", [lake.uri(KEY)]).fetchall()
    asked = s3.requests - before
    assert asked["HEAD"] <= 1 and asked["GET"] <= 3, asked


def test_httpfs_comes_from_its_wheel_and_is_copied_nowhere(
    s3: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read(S3Lake("s3://bucket/lake")) == [(1,)]
    assert not list(tmp_path.iterdir())


def test_keys_in_the_address_are_refused_without_being_repeated() -> None:
    with pytest.raises(UsageError, match=r"s3://bucket/lake names no bucket") as told:
        S3Lake(f"s3://me:{SECRET}@bucket/lake")
    assert isinstance(told.value, HeadwaterError) and SECRET not in str(told.value)
