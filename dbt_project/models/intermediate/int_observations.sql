with as_of as (
    select * from {{ ref('int_as_of') }}
),

seen as (
    select * from {{ ref('int_customers_seen') }}
),

history as (
    select
        min(seen.first_seen_at) as started_at,
        max(as_of.as_of) as ended_at
    from seen
    cross join as_of
    where seen.first_seen_at < as_of.as_of
),

days as (
    {% if company_var('observation_dates') %}
        {% for day in company_var('observation_dates') %}
            select cast('{{ day }}' as date) as observation_date
            {{ "union" if not loop.last }}
        {% endfor %}
    {% else %}
        select months.month_start as observation_date
        from {{ month_starts('started_at', 'ended_at', 'history') }} as months
    {% endif %}
),

final as (
    select
        days.observation_date,
        cast(days.observation_date as timestamp) as observed_at,
        false as is_scoring
    from days
    cross join as_of
    where days.observation_date < cast(as_of.as_of as date)
    union all
    select
        cast(as_of.as_of as date) as observation_date,
        as_of.as_of as observed_at,
        true as is_scoring
    from as_of
)

select * from final
