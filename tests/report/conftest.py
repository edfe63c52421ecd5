"""The marts that the report reads, made by hand: a company with everything, to take things away from."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

MARTS = """
    create schema if not exists marts; create schema if not exists intermediate;
    create schema if not exists audiences;
    create table intermediate.int_as_of as select timestamp '2026-03-10 12:00:00' as as_of;
    create table marts.orders as select 'EUR' as currency from range(3);
    create table marts.customer_360 as
        select * from (values ('champions', 90000), ('champions', 60000), ('lost', 1000), (null, null))
        as v(rfm_segment, revenue_cents);
    create table marts.executive_scorecard as
        select
            metric, title, 'What it is.' as description, periods.period, starts_at as period_starts_at,
            ends_at as period_ends_at, cast(value as double) as value, cast(previous_value as double) as previous_value,
            case when not is_still_growing then cast((value - previous_value) / nullif(previous_value, 0) as double) end
                as change,
            case when not is_still_growing then cast(value - previous_value as double) end as difference,
            unit, is_less_better, is_still_growing, place
        from (values
            (1, 'order_revenue', 'Order revenue', 123456.0, 100000.0, 'cents', false, false),
            (2, 'subscription_revenue', 'Subscription revenue', 1000.0, 2000.0, 'cents', false, false),
            (3, 'total_revenue', 'Total revenue', 124456.0, 102000.0, 'cents', false, false),
            (4, 'conversion_rate', 'Conversion rate', 0.125, 0.25, 'share', false, false),
            (5, 'cac', 'Cost of a new customer', 2000.0, 1000.0, 'cents', true, false),
            (6, 'mrr', 'Monthly recurring revenue', null, null, 'cents', false, false),
            (7, 'new_customers', 'New customers', 0.0, 5.0, 'count', false, false),
            (8, 'qualified_leads', 'Qualified leads', 1.0, 3.0, 'count', false, true),
            (9, 'guest_sales', 'Orders by guests', 0.0, 0.0, 'count', false, false)
        ) as v(place, metric, title, value, previous_value, unit, is_less_better, is_still_growing)
        cross join (values
            ('last_week', timestamp '2026-03-02', timestamp '2026-03-09'),
            ('last_month', timestamp '2026-02-01', timestamp '2026-03-01'),
            ('year_to_date', timestamp '2026-01-01', timestamp '2026-03-10')
        ) as periods(period, starts_at, ends_at);
    create table marts.metrics_monthly as
        select metric, month_start, cast(value as double) as value, month_start < date '2026-03-01' as is_complete
        from (values ('order_revenue', 100000.0), ('margin', 40000.0), ('visitors', 80.0), ('conversion_rate', 0.2),
            ('mrr', null)) as v(metric, value)
        cross join (
            select cast(unnest(generate_series(timestamp '2025-10-01', timestamp '2026-03-01', interval '1 month'))
                as date) as month_start
        );
    create table marts.marketing_efficiency as
        select * replace (cast(new_customers as double) as new_customers, cast(roas as double) as roas) from (values
            ('channel', 'markov', 'paid_search', 5000, 20000, 18000, 4.0, 1250, 4.0, 3.6, 12.4, 1099.6, true,
                'experiment'),
            ('channel', 'markov', 'direct', 0, 90000, 90000, 9.0, null, null, null, null, null, null, null),
            ('channel', 'linear', 'display', 7000, 7000, 7000, 1.0, 7000, 1.0, 1.0, -3.0, 8.0, false, 'visit'),
            ('campaign', 'markov', 'email', 1, 1, 1, 1.0, 1, 1.0, 1.0, 1.0, 1.0, true, 'mailing')
        ) as v(level, model, channel, spend_cents, revenue_cents, retail_revenue_cents, new_customers, cac_cents, roas,
            retail_roas, incremental_orders_low, incremental_orders_high, is_incremental, lift_comparison);
    create table marts.channel_performance as select 'markov' as attribution_model;
    create table marts.funnel_steps as
        select month_start, step_number, step, count_visits
        from (values (0, 'Visit', 100), (1, 'Product Added', 30), (2, 'Order Completed', 10))
        as v(step_number, step, count_visits) cross join (values
            (date '2026-03-01'), (date '2026-02-01'), (date '2026-01-01'), (date '2025-06-01')
        ) as months(month_start);
    create table marts.retention_cohorts as
        select * replace (cast(retention as double) as retention) from (values
            (date '2026-01-01', 0, date '2026-01-01', 20, 7, 1.0),
            (date '2026-01-01', 1, date '2026-02-01', 20, 7, 0.35),
            (date '2026-02-01', 0, date '2026-02-01', 10, 0, 1.0),
            (date '2026-02-01', 1, date '2026-03-01', 10, 0, 0.01)
        ) as v(cohort_month, months_since, month_start, count_customers, count_guests, retention);
    create table audiences.audience_history as
        select * from (values
            ('qualified_leads', timestamp '2026-01-01', null),
            ('qualified_leads', timestamp '2026-03-01', null),
            ('qualified_leads', timestamp '2026-01-01', timestamp '2026-03-02'),
            ('likely_to_churn', timestamp '2026-03-10 12:00:00', null),
            ('wholesale_prospects', timestamp '2026-03-01', null),
            ('wholesale_prospects', timestamp '2026-03-02', null)
        ) as v(audience, entered_at, left_at);
    create table audiences.likely_to_churn as select 'a' as customer_id;
    create table audiences.qualified_leads as select 'a' as customer_id from range(2);
    create table audiences.churned_customers as select 'a' as customer_id from range(0);
    create table marts.customer_activation as select 'a' as customer_id, true as is_likely_to_churn,
        true as is_qualified_leads, false as is_churned_customers, true as is_guest;
    create table marts.coupon_performance as
        select * from (values
            ('age_group', 'under 25', 'retail', 'TEN', true, 1, 500, 3000, 6000),
            ('age_group', 'under 25', 'retail', 'none', false, 3, 0, 9000, 10000),
            ('age_group', 'not known', 'wholesale', 'none', false, 2, 0, 100, 100000),
            ('country', 'US', 'retail', 'TEN', true, 1, 500, 3000, 6000),
            ('country', 'DE', 'retail', 'none', false, 3, 0, 9000, 10000),
            ('country', 'US', 'wholesale', 'none', false, 2, 0, 100, 100000),
            ('everybody', 'everybody', 'retail', 'TEN', true, 1, 500, 3000, 6000),
            ('everybody', 'everybody', 'retail', 'none', false, 3, 0, 9000, 10000),
            ('everybody', 'everybody', 'wholesale', 'none', false, 2, 0, 100, 100000)
        ) as v(segment_kind, segment, customer_type, coupon_code, has_coupon, count_orders, discount_cents,
            margin_cents, sales_with_cost_cents);
"""


@pytest.fixture
def marts() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute(MARTS)
        yield con
