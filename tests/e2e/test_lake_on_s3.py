"""The example company's run with its lake on S3."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import copied
from tests.e2e.product import OF_ATTEMPT, OF_RUN, differences
from tests.s3_front import front
from tests.s3_server import KEYS, s3_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def test_a_lake_on_s3_gives_the_same_rows_though_the_server_is_away_for_a_while(collected, undisturbed, tmp_path):
    product, wrong = copied(collected, tmp_path / "home"), "wr0ng-s3cr3t-of-the-tests"
    with s3_server(tmp_path) as endpoint, front(endpoint) as server:
        product.environment |= KEYS | {"AWS_ENDPOINT_URL": server.url}
        lake = ("run", "--lake", "s3://bucket/some/prefix")
        refused = product.run(*lake, AWS_SECRET_ACCESS_KEY=wrong)
        assert refused.code == 4, refused.text
        assert f"{server.url} refuses the keys" in refused.text and len(refused.text.splitlines()) == 1
        nowhere = product.run("run", "--lake", "s3://nowhere/prefix")
        assert nowhere.code == 4 and "has no bucket «nowhere». Make the bucket" in nowhere.text
        assert not product.home.joinpath("warehouse.duckdb").exists()

        run = product.start(*lake)
        run.wait_until(lambda: "raw/events" in run.text(), "loading events")
        server.is_down = True
        run.process.wait(1200)
        assert run.process.returncode != 0
        assert f"{server.url} does not answer" in run.text()
        server.is_down = False

        ended = product.run("run")  # the home knows its lake
        assert ended.code == 0, ended.text
        assert "the lake at s3://bucket/some/prefix" in ended.text
    assert set(differences(undisturbed(), product.content(leave_out=OF_ATTEMPT))) <= OF_RUN | {"push.online_runs"}
    assert not (product.home / "lake").exists()
    told = refused.text + nowhere.text + run.text() + ended.text
    assert not [secret for secret in (wrong, KEYS["AWS_SECRET_ACCESS_KEY"]) if secret in told]
    for file in (path for path in product.home.rglob("*") if path.is_file()):
        content = file.read_bytes()
        assert wrong.encode() not in content and KEYS["AWS_SECRET_ACCESS_KEY"].encode() not in content, file
