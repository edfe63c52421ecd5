-- depends_on: {{ ref('income') }}
-- depends_on: {{ ref('orders') }}
-- depends_on: {{ ref('sessions') }}
-- depends_on: {{ ref('int_subscription_prices') }}
-- depends_on: {{ ref('stg_ads__daily_performance') }}
-- depends_on: {{ ref('stg_crm__leads') }}

{%- set metrics = scorecard_metrics() %}

with as_of as (
    select * from {{ ref('int_as_of') }}
),

dates as (
    select * from {{ ref('dates') }}
),

history as (
    select cast(min(date_day) as timestamp) as began_at
    from dates
),

-- Whole days, weeks and months only: today is left out.
moments as (
    select
        cast(date_trunc('day', as_of.as_of) as timestamp) as today,
        cast(date_trunc('week', as_of.as_of) as timestamp) as this_week,
        cast(date_trunc('month', as_of.as_of) as timestamp) as this_month,
        cast(date_trunc('year', as_of.as_of) as timestamp) as this_year,
        history.began_at
    from as_of
    cross join history
),

compared as (
    select
        'last_week' as period,
        this_week - interval '7 days' as starts_at,
        this_week as ends_at,
        this_week - interval '14 days' as previous_starts_at,
        this_week - interval '7 days' as previous_ends_at,
        began_at
    from moments
    union all
    select
        'last_month' as period,
        this_month - interval '1 month' as starts_at,
        this_month as ends_at,
        this_month - interval '2 months' as previous_starts_at,
        this_month - interval '1 month' as previous_ends_at,
        began_at
    from moments
    union all
    select
        'year_to_date' as period,
        this_year as starts_at,
        today as ends_at,
        this_year - interval '1 year' as previous_starts_at,
        today - interval '1 year' as previous_ends_at,
        began_at
    from moments
),

periods as (
    select
        period || ':now' as period_id,
        starts_at,
        ends_at
    from compared
    union all
    select
        period || ':before' as period_id,
        previous_starts_at as starts_at,
        previous_ends_at as ends_at
    from compared
    where previous_starts_at >= began_at
),

metric_values as (
    {{ metric_values(metrics | map(attribute='name') | list, 'periods') }}
),

labels as (
    {% for metric in metrics %}
        {% set meta = metric.config.meta %}
        {% set description = (metric.description or '') | trim | replace("'", "''") %}
        select
            '{{ metric.name }}' as metric,
            '{{ metric.label | replace("'", "''") }}' as title,
            '{{ description }}' as description,
            {{ loop.index }} as place,
            '{{ meta.unit }}' as unit,
            {{ meta.get('less_is_better', false) | lower }} as is_less_better,
            {{ meta.get('is_still_growing', false) | lower }} as is_still_growing
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}
),

final as (
    select
        labels.metric,
        labels.title,
        labels.description,
        labels.place,
        compared.period,
        compared.starts_at as period_starts_at,
        compared.ends_at as period_ends_at,
        compared.previous_starts_at,
        compared.previous_ends_at,
        now_values.value,
        before_values.value as previous_value,
        case
            when not labels.is_still_growing
                then
                    (now_values.value - before_values.value)
                    / nullif(abs(before_values.value), 0)
        end as change,  -- noqa: RF04
        case
            when not labels.is_still_growing then now_values.value - before_values.value
        end as difference,
        labels.unit,
        labels.is_less_better,
        labels.is_still_growing
    from labels
    cross join compared
    left join metric_values as now_values
        on
            labels.metric = now_values.metric
            and compared.period || ':now' = now_values.period_id
    left join metric_values as before_values
        on
            labels.metric = before_values.metric
            and compared.period || ':before' = before_values.period_id
)

select * from final
