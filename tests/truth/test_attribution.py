"""Attribution against what each channel truly caused: `truth/channel_effects.csv` and `truth/campaign_effects.csv`.

The truth counts an order as caused when its visit would not have been there without the company's campaign. Only what
the company itself does is compared: nobody can take away that people come by themselves. What a channel causes is
estimated by the lift, not by Markov's removal effect, which is above zero for whatever purchases ran through.
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


LIFT = f"""
    from built.marts.channel_lift lift join truth.channel_effects truth using (channel)
    where lift.campaign = '(all)' and channel in {OWN}
"""


def test_the_lift_is_shown_of_the_channels_that_cause_orders_and_of_no_other(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    found = warehouse.execute(
        "select channel, truth.is_incremental = '1', lift.is_incremental, incremental_orders_low,"
        f" incremental_orders_high {LIFT} order by 1"
    ).fetchall()
    assert len(found) == 4
    for channel, causes, is_shown, low, high in found:
        assert is_shown == causes, channel
        assert (low > 0) if causes else (low <= 0 <= high), channel


def test_what_a_channel_truly_brought_lies_in_the_interval_of_its_lift(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = warehouse.execute(
        "select channel, incremental_orders_low, truth.incremental_orders::int, incremental_orders_high,"
        f" orders_in_visits {LIFT} order by 1"
    ).fetchall()
    assert [row for row in found if not row[1] <= row[2] <= row[3]] == []
    # and that says something: the bounds of an ad lie no further apart than the orders of its own visits
    for channel, low, _, high, in_visits in found:
        sure = warehouse.execute(
            "select incremental_orders_at_most - incremental_orders_at_least from built.marts.channel_lift"
            " where channel = ? and campaign = '(all)'",
            [channel],
        ).fetchone()
        assert sure == (pytest.approx(in_visits),)
        assert high - low < 2.5 * max(in_visits, 100), channel


def test_the_lift_ranks_the_channels_that_it_is_shown_of_as_they_truly_rank(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    truth = names(
        warehouse, f"select channel {LIFT} and truth.is_incremental = '1' order by truth.incremental_orders::int desc"
    )
    found = names(warehouse, f"select channel {LIFT} and lift.is_incremental order by lift.incremental_orders desc")
    assert found == truth == ["paid_social", "paid_search", "email"]


def test_the_orders_of_the_days_after_an_ad_are_those_that_it_truly_brought_by_another_door(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    """What the lower bound says it is, where no experiment decides: the ad's orders of other visits than its own."""
    found = warehouse.execute(
        f"""
        with orders as (
            select o.channel, count(*) as later
            from truth.orders o
            join truth.sessions s on s.person_id = o.person_id
                and o.ordered_at::timestamptz between s.started_at::timestamptz
                and s.ended_at::timestamptz + interval 4 seconds
            where o.channel = 'paid_social' and s.channel not in ('instagram', 'facebook')
            group by o.channel
        )
        select channel, lift_low * count_reached, later, lift_high * count_reached
        from built.marts.channel_lift join orders using (channel)
        where campaign = '(all)' and channel in {OWN}
        order by 1
        """
    ).fetchall()
    assert [row[0] for row in found] == ["paid_social"]
    assert [row for row in found if not row[1] <= row[2] <= row[3]] == []


def test_the_lift_tells_search_for_the_own_name_from_search_that_brings_people(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    found = dict(
        warehouse.execute(
            "select campaign, is_incremental from built.marts.channel_lift"
            " where campaign in ('brand-search', 'outdoor-gear', 'prospecting', 'best-of-lists', 'shopping')"
        ).fetchall()
    )
    assert {campaign for campaign, is_shown in found.items() if is_shown} == {"outdoor-gear", "prospecting", "shopping"}
    assert {campaign for campaign, is_shown in found.items() if not is_shown} == {"brand-search", "best-of-lists"}


def test_an_experiment_decides_for_its_campaign(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Most of what these campaigns bring is ordered in the ad's own visit, where no comparison of visits reaches."""
    found = warehouse.execute(
        """
        select campaign, comparison, lift.is_incremental = (truth.is_incremental = '1') as is_right,
            truth.incremental_orders::int between incremental_orders_low and incremental_orders_high as is_held,
            orders_by_experiment
        from built.marts.channel_lift lift join truth.campaign_effects truth using (channel, campaign)
        where channel = 'paid_search' order by 1
        """
    ).fetchall()
    assert [row[:4] for row in found] == [
        (campaign, "experiment", True, True) for campaign in ("brand-search", "outdoor-gear", "shopping")
    ]
    whole = warehouse.execute(
        "select comparison, orders_by_experiment from built.marts.channel_lift"
        " where channel = 'paid_search' and campaign = '(all)'"
    ).fetchone()
    assert whole == ("experiment", pytest.approx(sum(row[4] for row in found)))


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
