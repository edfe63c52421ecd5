"""What is odd in a shop's own data is counted by a check that warns, and is kept."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest

from headwater.settings import load_settings
from headwater.storage.warehouse import connect, ensure_schemas

from .conftest import build, dbt

pytestmark = pytest.mark.slow

AT = datetime(2026, 2, 3)
ORDERS = [
    ("f1", "u_ann", "sale", 5000),
    ("f2", None, "sale", 700),
    ("f3", "u_ann", "sale", 0),
    ("A1", None, "adjustment", -900),
]
LINES = [
    *[("f1", number, "p1", 2, 1000) for number in (1, 2, 3)],  # two more than one
    ("f1", 4, "p1", 1, 1000),  # another quantity: no repeat
    ("f2", 1, "p1", 2, 1000),  # another order: no repeat
    ("f2", 2, "p2", 1, 0),
    ("f3", 1, "p3", 1, None),  # no price is not a price of zero
    ("A1", 1, "p4", 1, -900),
]  # fmt: skip

ODDITIES = {
    "order_lines_that_repeat_another": "2",
    "order_lines_with_a_negative_price": "1",
    "order_lines_with_a_price_of_zero": "1",
    "sales_of_nobody_known": "1",
    "sales_with_a_total_of_zero": "1",
}


def test_each_oddity_is_a_warned_check_with_its_number_of_rows_and_nothing_is_dropped(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with connect(load_settings(home=home), purpose="fixture") as con:
        ensure_schemas(con)
        con.execute(
            "insert into identity.identifiers (id_type, id_value, customer_id) values ('user_id', 'u_ann', 'ann')"
        )
        for order_id, user, kind, total in ORDERS:
            con.execute(
                "insert into raw.files__orders (source, order_id, user_id, kind, total_cents, currency, ordered_at)"
                " values ('shop', ?, ?, ?, ?, 'GBP', ?)",
                [order_id, user, kind, total, AT],
            )
        for line in LINES:
            con.execute(
                "insert into raw.files__order_lines (source, order_id, line_no, product_id, quantity, unit_price_cents)"
                " values ('shop', ?, ?, ?, ?, ?)",
                list(line),
            )
    without_tests = ("--exclude-resource-type", "unit_test", "--exclude-resource-type", "test")
    built = build(home, "--select", "+order_lines", "+orders", *without_tests)
    result = dbt(home, "test", "--select", *ODDITIES)
    assert dict(re.findall(r"Warning in test (\S+).*?\n.*?Got (\d+) result", result.stdout)) == ODDITIES, result.stdout
    assert built.rows("select count(*), sum(total_cents) from marts.orders") == [(4, 4800)]
    assert built.rows("select count(*) from marts.order_lines") == [(len(LINES),)]
