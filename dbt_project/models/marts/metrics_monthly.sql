-- depends_on: {{ ref('income') }}
-- depends_on: {{ ref('orders') }}
-- depends_on: {{ ref('sessions') }}
-- depends_on: {{ ref('int_subscription_prices') }}
-- depends_on: {{ ref('stg_ads__daily_performance') }}
-- depends_on: {{ ref('stg_crm__leads') }}

with dates as (
    select * from {{ ref('dates') }}
),

as_of as (
    select * from {{ ref('int_as_of') }}
),

periods as (
    select
        dates.month_start as period_id,
        cast(dates.month_start as timestamp) as starts_at,
        least(cast(dates.month_start as timestamp) + interval '1 month', max(as_of.as_of))
            as ends_at
    from dates
    cross join as_of
    group by dates.month_start
),

metric_values as (
    {{ metric_values(scorecard_metrics() | map(attribute='name') | list, 'periods') }}
),

final as (
    select
        metric_values.metric,
        metric_values.period_id as month_start,
        metric_values.value,
        periods.ends_at = cast(periods.starts_at + interval '1 month' as timestamp) as is_complete
    from metric_values
    inner join periods on metric_values.period_id = periods.period_id
    where metric_values.metric is not null
)

select * from final
