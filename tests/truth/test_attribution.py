"""Attribution against what each channel truly caused: `truth/channel_effects.csv` and `truth/campaign_effects.csv`.

The truth counts an order as caused when its visit would not have been there without the company's campaign. Only what
the company itself does is compared: nobody can take away that people come by themselves.
"""

from __future__ import annotations

import duckdb
import pytest

pytestmark = pytest.mark.slow

OWN = "('affiliate', 'email', 'paid_search', 'paid_social')"


def names(con: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    return [name for (name,) in con.execute(query).fetchall()]


def test_every_conversion_is_shared_out_to_the_cent_by_every_model(warehouse: duckdb.DuckDBPyConnection) -> None:
    wrong = warehouse.execute(
        """
        select o.order_id, a.model, o.total_cents, sum(a.revenue_cents) as shared, sum(a.credit) as credit
        from built.marts.orders o left join built.marts.attribution a on a.conversion_id = o.order_id
        where o.kind = 'sale' and o.customer_id is not null
        group by all
        having shared is distinct from coalesce(o.total_cents, 0) or abs(credit - 1) > 1e-9
        """
    ).fetchall()
    assert wrong == []
    assert warehouse.execute("select count(distinct model) from built.marts.attribution").fetchone() == (7,)


def test_markov_ranks_the_channels_as_they_truly_rank(warehouse: duckdb.DuckDBPyConnection) -> None:
    truth = names(
        warehouse,
        f"select channel from truth.channel_effects where channel in {OWN} order by incremental_orders::int desc",
    )
    found = names(
        warehouse, f"select channel from built.marts.channel_effects where channel in {OWN} order by effect_rank"
    )
    assert found == truth


def test_the_removal_intervals_of_channels_that_cause_orders_exclude_zero(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    lows = warehouse.execute(
        "select removal_effect_low from built.marts.channel_effects join truth.channel_effects using (channel)"
        " where is_incremental = '1'"
    ).fetchall()
    assert len(lows) == 3
    assert all(low > 0 for (low,) in lows)


def test_the_lift_tells_channels_that_cause_orders_from_those_that_only_harvest_them(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    found = dict(
        warehouse.execute(
            "select channel, is_incremental from built.marts.channel_lift where campaign = '(all)'"
        ).fetchall()
    )
    truth = dict(
        warehouse.execute(
            f"select channel, is_incremental = '1' from truth.channel_effects where channel in {OWN}"
        ).fetchall()
    )
    assert found == truth
    # what an ad's own visit brings is not counted: the estimate is never above the truth for more than chance
    assert (
        warehouse.execute(
            """
            select lift.channel from built.marts.channel_lift lift join truth.channel_effects truth using (channel)
            where campaign = '(all)' and incremental_orders_low > truth.incremental_orders::int
            """
        ).fetchall()
        == []
    )


def test_the_lift_tells_search_for_the_own_name_from_search_that_brings_people(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    found = dict(
        warehouse.execute(
            "select campaign, is_incremental from built.marts.channel_lift"
            " where campaign in ('brand-search', 'outdoor-gear', 'prospecting', 'best-of-lists')"
        ).fetchall()
    )
    assert found == {"brand-search": False, "best-of-lists": False, "outdoor-gear": True, "prospecting": True}


def test_a_visits_channel_is_the_one_that_it_truly_came_by(warehouse: duckdb.DuckDBPyConnection) -> None:
    """The visit's origin is seen for tagged and for untagged links; an app tells none, and cookies are no concern."""
    found = warehouse.execute(
        """
        with expected(simulated, channels) as (
            values
                ('google_cpc', ['paid_search']),
                ('google_organic', ['organic_search']),
                ('instagram', ['paid_social', 'organic_social']),
                ('facebook', ['paid_social', 'organic_social']),
                ('affiliate', ['affiliate', 'referral']),
                ('referral', ['referral']),
                ('direct', ['direct'])
        ),
        matched as (
            select e.simulated, s.channel, list_contains(e.channels, s.channel) as is_right
            from truth.sessions t
            join expected e on e.simulated = t.channel
            join truth.identities i on i.id_type = 'anonymous_id' and i.id_value = t.anonymous_id
            join built.identity.identifiers d on d.id_type = 'anonymous_id' and d.id_value = t.anonymous_id
            join built.marts.sessions s on s.customer_id = d.customer_id and s.platform = 'web'
                and abs(epoch(s.started_at) - epoch(t.started_at::timestamp)) < 1
            where t.source = 'web'
        )
        select simulated, count(*), avg(is_right::int) from matched group by all
        """
    ).fetchall()
    assert len(found) == 7
    assert min(visits for _, visits, _ in found) > 100
    assert min(right for _, _, right in found) > 0.999, found
