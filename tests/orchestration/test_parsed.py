"""What dbt has parsed for one home serves the next one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from headwater.errors import HeadwaterError
from headwater.settings import load_settings
from orchestration import parsed
from orchestration.parsed import dbt_executable, ensure_manifest, keep, lay_out, target_dir


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is kept yet."""
    monkeypatch.setattr(parsed, "cache_dir", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.mark.slow
def test_a_second_home_is_parsed_already_and_dbt_sees_no_reason_to_read_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (load_settings(home=tmp_path / name) for name in ("one home", "another"))
    ensure_manifest(first)
    monkeypatch.setattr(parsed, "cache_dir", lambda: tmp_path / "cache")
    assert keep(target_dir(first), first.home, "digest")
    assert not keep(target_dir(first), first.home, "digest")
    assert lay_out(target_dir(second), second.home, "digest")

    manifests = [json.loads((target_dir(each) / "manifest.json").read_text()) for each in (first, second)]
    assert manifests[0] == manifests[1]
    # as a run calls it: the as-of time and the patience are its own
    told = subprocess.run(
        [dbt_executable(), "--no-use-colors", "--debug", "parse"],
        cwd=parsed.PROJECT_DIR,
        env={**second.environment(), "HEADWATER_AS_OF": "2026-01-02 00:00:00", "HEADWATER_WAIT_SECONDS": "600"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Partial parsing enabled: 0 files deleted, 0 files added, 0 files changed" in told
    assert "Unable to do partial parsing" not in told


def test_what_names_its_home_otherwise_than_we_think_is_not_kept(tmp_path: Path, cache: Path) -> None:
    target = tmp_path / "home" / "dbt" / "target"
    target.mkdir(parents=True)
    (target / parsed.PARSED).write_bytes(b"of a dbt that nobody here knows")
    (target / parsed.MANIFEST).write_text("{}")

    assert not keep(target, tmp_path / "home", "digest")
    assert not lay_out(tmp_path / "other", tmp_path, "digest")
    assert not cache.exists()


def test_a_manifest_that_somebody_else_is_writing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, slept = tmp_path / "manifest.json", []
    manifest.write_text('{"nodes": {"one"')

    def written_meanwhile(seconds: float) -> None:
        slept.append(seconds)
        manifest.write_text('{"nodes": {"one": 1}}')

    monkeypatch.setattr(parsed, "ensure_manifest", lambda _: manifest)
    monkeypatch.setattr(parsed.time, "sleep", written_meanwhile)
    assert parsed.read_manifest(load_settings(home=tmp_path)) == {"nodes": {"one": 1}}
    assert len(slept) == 1

    manifest.write_text("{")
    monkeypatch.setattr(parsed, "_WRITTEN_SECONDS", -1.0)
    with pytest.raises(HeadwaterError, match="is damaged: delete it"):
        parsed.read_manifest(load_settings(home=tmp_path))


def test_a_home_that_has_been_parsed_is_left_as_it_is(tmp_path: Path, cache: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / parsed.PARSED).write_bytes(b"its own")
    kept = cache / "digest"
    kept.mkdir(parents=True)
    (kept / "told.json").write_text(json.dumps({"digests": [], "connection": []}))
    (kept / parsed.PARSED).write_bytes(b"of another")

    assert not lay_out(target, tmp_path, "digest")
    assert (target / parsed.PARSED).read_bytes() == b"its own"
