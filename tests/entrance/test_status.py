"""What `headwater status` says before it looks into the warehouse."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from click.testing import CliRunner

from headwater.cli import cli
from headwater.errors import UsageError
from headwater.settings import load_settings
from headwater.storage.failures import Failures


def test_sources_whose_transformations_hang_are_named(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    settings.log_dir.mkdir()
    with closing(Failures(settings.log_dir)) as failures:
        failures.decide("web", "a", 20, {20: ("picky", "suspended after 3 hangs in a row: picky.py, line 2", True)})
        failures.decide("shop", "a", 20, {20: ("other", "other.py, line 2: KeyError", False)})
    result = CliRunner().invoke(cli, ["status", "--home", str(tmp_path)])
    assert isinstance(result.exception, UsageError)  # it holds nothing yet
    assert "Events of source web are kept aside: transformation picky is suspended after 3 hangs" in result.output
    assert "shop" not in result.output
