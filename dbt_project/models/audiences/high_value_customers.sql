{%- set periods = company_var('high_value_session_periods') | int -%}
{%- set period_days = company_var('high_value_session_period_days') | int -%}

with as_of as (
    select * from {{ ref('int_as_of') }}
),

orders as (
    select * from {{ ref('orders') }}
),

sessions as (
    select * from {{ ref('sessions') }}
),

profiles as (
    select * from {{ ref('int_customers_profiled') }}
),

buyers as (
    select
        orders.customer_id,
        count(*) as count_qualifying_orders,
        cast(sum(orders.total_cents) as bigint) as qualifying_revenue_cents
    from orders
    cross join as_of
    where
        orders.kind = 'sale'
        and orders.total_cents > {{ company_var('high_value_order_above_cents') }}
        and {{ in_company_currency('orders.currency') }}
        and (orders.fully_refunded_at is null or orders.fully_refunded_at > as_of.as_of)
        and orders.ordered_at
        >= as_of.as_of - interval '{{ company_var("high_value_window_days") }} days'
        and orders.ordered_at < as_of.as_of
        and orders.customer_id is not null
    group by orders.customer_id
    having count(*) >= {{ company_var('high_value_min_orders') }}
),

aged as (
    select
        profiles.customer_id,
        {{ whole_years('profiles.birth_date', 'as_of.as_of') }} as age_years
    from profiles
    cross join as_of
    where profiles.birth_date is not null and profiles.birth_date_source = 'crm'
),

visited_periods as (
    select
        sessions.customer_id,
        case
            {% for number in range(1, periods + 1) %}
                when
                    sessions.started_at >= as_of.as_of - interval '{{ number * period_days }} days'
                    then {{ number }}
            {% endfor %}
        end as period_number
    from sessions
    cross join as_of
    where
        sessions.started_at < as_of.as_of
        and sessions.started_at >= as_of.as_of - interval '{{ periods * period_days }} days'
        and sessions.platform in ('web', 'app')
),

visitors as (
    select customer_id
    from visited_periods
    group by customer_id
    having count(distinct period_number) = {{ periods }}
),

final as (
    select
        buyers.customer_id,
        buyers.count_qualifying_orders,
        buyers.qualifying_revenue_cents,
        aged.age_years,
        as_of.as_of
    from buyers
    cross join as_of
    inner join aged
        on buyers.customer_id = aged.customer_id
    inner join visitors
        on buyers.customer_id = visitors.customer_id
    where
        aged.age_years >= {{ company_var('high_value_min_age') }}
        and aged.age_years <= {{ company_var('high_value_max_age') }}
)

select * from final
