"""A home holds one company, and one entrance at a time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import datetime

import pytest

from headwater.errors import BusyError, UnavailableError, UsageError
from headwater.settings import load_settings
from headwater.storage.home import EXAMPLE, advance_as_of, claim_home, entrance_lock, read_home, write_home


@pytest.fixture
def settings(tmp_path):
    return load_settings(home=tmp_path / "home", config=tmp_path)


def test_a_home_belongs_to_what_claimed_it_first(settings, tmp_path):
    data = tmp_path / "data"
    assert claim_home(settings, data).data_dir == data.resolve()
    assert claim_home(settings, data).data_dir == data.resolve()
    with pytest.raises(UsageError, match="one home holds one company"):
        claim_home(settings, None)
    with pytest.raises(UsageError, match="HEADWATER_HOME"):
        claim_home(settings, tmp_path / "other")


def test_the_as_of_time_is_remembered_beside_it(settings):
    assert read_home(settings) is None
    claim_home(settings, None)
    advance_as_of(settings, datetime(2026, 5, 1, 12, 30))
    home = read_home(settings)
    assert home is not None
    assert (home.holds, home.as_of) == (EXAMPLE, datetime(2026, 5, 1, 12, 30))
    assert claim_home(settings, None).as_of == datetime(2026, 5, 1, 12, 30)


def test_the_as_of_time_never_goes_backwards(settings):
    claim_home(settings, None)
    advance_as_of(settings, datetime(2026, 5, 1, 12, 45))
    assert advance_as_of(settings, datetime(2026, 5, 1, 12, 36, 43)).as_of == datetime(2026, 5, 1, 12, 45)
    advance_as_of(settings, datetime(2026, 5, 1, 12, 45, 1))
    home = read_home(settings)
    assert home is not None
    assert home.as_of == datetime(2026, 5, 1, 12, 45, 1)


def test_an_as_of_time_that_is_still_to_come_counts_as_none(settings):
    home = claim_home(settings, None)
    write_home(settings, replace(home, as_of=datetime(9999, 6, 1)))
    assert read_home(settings).as_of is None
    assert advance_as_of(settings, datetime(2026, 5, 1)).as_of == read_home(settings).as_of == datetime(2026, 5, 1)


def test_the_config_used_last_is_the_default_of_the_next_command(settings, tmp_path):
    claim_home(settings, None)
    assert load_settings(home=settings.home).config_dir == tmp_path
    assert load_settings(home=settings.home, config=tmp_path / "b").config_dir == tmp_path / "b"


def test_the_lake_used_last_is_the_one_of_the_next_command(settings):
    there = replace(settings, lake_url="s3://bucket/prefix")
    claim_home(there, None)
    assert load_settings(home=settings.home).lake_url == "s3://bucket/prefix"
    assert load_settings(home=settings.home, lake_url="s3://bucket/prefix/").lake_url == "s3://bucket/prefix"


def test_a_home_whose_warehouse_was_filled_from_one_lake_takes_no_other(settings):
    there = replace(settings, lake_url="s3://bucket/prefix")
    claim_home(there, None)
    settings.warehouse.touch()
    with pytest.raises(UsageError, match=r"its lake at s3://bucket/prefix, not at .*/home/lake\. Set HEADWATER_HOME"):
        claim_home(settings, None)
    assert claim_home(there, None).lake == "s3://bucket/prefix"


def test_a_second_entrance_is_told_who_is_there(settings):
    code = (
        "import sys\nfrom headwater.settings import load_settings\nfrom headwater.storage.home import entrance_lock\n"
        f"with entrance_lock(load_settings(home={str(settings.home)!r}), 'headwater up'):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(BusyError, match=rf"headwater up \(process {holder.pid}\)"),
            entrance_lock(settings, "headwater run"),
        ):
            pass
        holder.kill()
        holder.wait()
    with entrance_lock(settings, "headwater run"):
        pass


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="cannot be written"):
        claim_home(load_settings(home=tmp_path / "file" / "home", config=tmp_path), None)
