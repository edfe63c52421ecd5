"""The summary tells what the warehouse holds, in the words and currencies of its rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.configuration import load_config
from headwater.entrance.summary import show_summary
from headwater.settings import CHECKOUT, load_settings
from headwater.storage.warehouse import connect, ensure_schemas, publish


def test_money_is_summed_by_the_orders_own_currency(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = load_settings(home=tmp_path / "home", config=CHECKOUT / "config" / "examples" / "minimal")
    with connect(settings, purpose="test") as con:
        con.execute("create schema marts")
        con.execute(
            "create table marts.orders as from (values"
            " ('sale', 'EUR', 125000), ('sale', 'EUR', 50), ('sale', 'GBP', 300), ('sale', null, 1),"
            " ('sale', null, null), ('refund', 'GBP', -100), ('adjustment', null, null))"
            " as t (kind, currency, total_cents)"
        )
    publish(settings)
    config = load_config(settings)
    assert config.platform.currency == "USD"
    show_summary(settings, config)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["sales", "5", "1,250.50", "EUR", "+", "0.01", "USD", "+", "3.00", "GBP"] in lines
    assert ["refunds", "1", "-1.00", "GBP"] in lines
    assert ["adjustments", "1", "not", "known"] in lines


def test_an_event_of_the_year_9999_does_not_stretch_what_the_events_cover(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(home=tmp_path / "home", config=CHECKOUT / "config" / "examples" / "minimal")
    with connect(settings, purpose="test") as con:
        ensure_schemas(con)
        con.execute(
            "insert into raw.events (source, message_id, timestamp, received_at) values"
            " ('web', 'm1', '2026-05-01', '2026-05-02'), ('web', 'm2', '2026-05-03 12:00', '2026-05-03'),"
            " ('web', 'm3', '9999-12-31 23:59:59.999999', '2026-05-04')"
        )
    publish(settings)
    show_summary(settings, load_config(settings))
    [line] = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  events")]
    assert line[:7] == ["events", "3", "2026-05-01", "00:00:00", "to", "2026-05-03", "12:00:00;"]
    assert line[7] == "1"
