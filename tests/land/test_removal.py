"""The log's segments go after they have landed, never before."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from headwater.configuration import Config, load_config
from headwater.errors import UnavailableError
from headwater.land import events as landing
from headwater.land.events import land_events, pending_segments
from headwater.settings import CHECKOUT, Settings, load_settings
from headwater.storage.log import Envelope, encode_envelope, frame, segments
from headwater.storage.log.record import MAGIC

LIVE = encode_envelope(Envelope("web", "live", datetime(2026, 5, 4, 12)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    config = CHECKOUT / "config" / "examples" / "minimal"
    made = load_settings(tmp_path / "home", config, lake_url=str(tmp_path / "lake"))
    made.log_dir.mkdir(parents=True)
    for number in (1, 2):
        page = json.dumps({"type": "page", "userId": "u1"}).encode()
        path = made.log_dir / f"{number:012d}-0000000000001.seg"
        path.write_bytes(MAGIC + frame(LIVE, f"m{number}", page))
    return made


@pytest.fixture
def at_once(settings: Settings) -> Config:
    config = load_config(settings)
    collector = replace(config.platform.collector, retention_days=0)
    return replace(config, platform=replace(config.platform, collector=collector), destinations={})


def objects(settings: Settings) -> list[str]:
    return sorted(str(path.relative_to(settings.lake_url)) for path in Path(settings.lake_url).rglob("*.parquet"))


def test_what_has_landed_leaves_the_log_and_stays_in_the_lake(settings: Settings, at_once: Config) -> None:
    report = land_events(settings, at_once)
    assert (report.segments, report.removed) == (2, 2)
    assert segments(settings.log_dir) == []
    assert len(objects(settings)) == 2
    assert pending_segments(settings) == []
    assert land_events(settings, at_once).segments == 0
    assert len(objects(settings)) == 2


def test_within_the_retention_landing_removes_nothing(settings: Settings) -> None:
    assert land_events(settings, load_config(settings)).removed == 0
    assert len(segments(settings.log_dir)) == 2


def test_a_lake_that_cannot_be_written_costs_no_segment(
    settings: Settings, at_once: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def put(self, key: str, data: bytes) -> None:
            raise UnavailableError("The lake is full.")

    with monkeypatch.context() as patch:
        patch.setattr(landing, "open_lake", lambda settings: Full())
        with pytest.raises(UnavailableError):
            land_events(settings, at_once)
    assert len(segments(settings.log_dir)) == 2
    assert land_events(settings, at_once).segments == 2
