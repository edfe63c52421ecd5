with as_of as (
    select * from {{ ref('int_as_of') }}
),

seen as (
    select * from {{ ref('int_customers_seen') }}
),

history as (
    select
        cast(date_trunc('month', coalesce(min(seen.first_seen_at), max(as_of.as_of))) as date)
            as first_day,
        cast(max(as_of.as_of) as date) as last_day
    from as_of
    left join seen
        on as_of.as_of >= seen.first_seen_at
),

days as (
    select spine.date_day
    from {{ days_from('first_day', 'last_day', 'history') }} as spine
),

final as (
    select
        date_day,
        cast(date_trunc('week', date_day) as date) as week_start,
        cast(date_trunc('month', date_day) as date) as month_start,
        cast(date_trunc('quarter', date_day) as date) as quarter_start,
        cast(date_trunc('year', date_day) as date) as year_start,
        cast(extract(year from date_day) as int) as year_number,
        cast(extract(quarter from date_day) as int) as quarter_number,
        cast(extract(month from date_day) as int) as month_number,
        cast(extract(day from date_day) as int) as day_of_month,
        cast({{ days_between(
            "cast(date_trunc('week', date_day) as timestamp)", 'cast(date_day as timestamp)'
        ) }} as int) + 1 as day_of_week,
        {{ days_between(
            "cast(date_trunc('week', date_day) as timestamp)", 'cast(date_day as timestamp)'
        ) }} >= 5 as is_weekend
    from days
)

select * from final
