{%- set steps = company_var('funnel_steps') -%}

with events as (
    select * from {{ ref('int_events_sessioned') }}
),

visits as (
    select
        session_id,
        channel,
        started_at,
        cast(date_trunc('month', started_at) as date) as month_start
    from {{ ref('sessions') }}
),

as_of as (
    select * from {{ ref('int_as_of') }}
),

step_0 as (
    select
        visits.session_id,
        visits.started_at as reached_at
    from visits
    cross join as_of
    where visits.started_at < as_of.as_of
),

-- A step is reached in a visit at its event's first time after the step before it.
{% for step in steps %}
    step_{{ loop.index }} as (
        select
            earlier.session_id,
            min(events.occurred_at) as reached_at
        from step_{{ loop.index0 }} as earlier
        inner join events
            on
                earlier.session_id = events.session_id
                and earlier.reached_at <= events.occurred_at
        where events.event_name = '{{ step | replace("'", "''") }}'
        group by earlier.session_id
    ),
{% endfor %}

reached as (
    select
        session_id,
        0 as step_number,
        'Visit' as step
    from step_0
    {% for step in steps %}
        union all
        select
            session_id,
            {{ loop.index }} as step_number,
            '{{ step | replace("'", "''") }}' as step
        from step_{{ loop.index }}
    {% endfor %}
),

steps as (
    select distinct
        step_number,
        step
    from (
        select
            0 as step_number,
            'Visit' as step
        {% for step in steps %}
            union all
            select
                {{ loop.index }} as step_number,
                '{{ step | replace("'", "''") }}' as step
        {% endfor %}
    ) as named
),

counted as (
    select
        visits.month_start,
        visits.channel,
        reached.step_number,
        count(*) as count_visits
    from reached
    inner join visits on reached.session_id = visits.session_id
    group by visits.month_start, visits.channel, reached.step_number
),

-- A step that nobody reached is a row too.
laid_out as (
    select
        begun.month_start,
        begun.channel,
        steps.step_number,
        steps.step,
        begun.count_visits as count_visits_begun
    from counted as begun
    cross join steps
    where begun.step_number = 0
),

filled as (
    select
        laid_out.month_start,
        laid_out.channel,
        laid_out.step_number,
        laid_out.step,
        laid_out.count_visits_begun,
        coalesce(counted.count_visits, 0) as count_visits
    from laid_out
    left join counted
        on
            laid_out.month_start = counted.month_start
            and laid_out.channel = counted.channel
            and laid_out.step_number = counted.step_number
),

final as (
    select
        month_start,
        channel,
        step_number,
        step,
        count_visits,
        cast(count_visits as double) / count_visits_begun as share_of_visits,
        cast(count_visits as double) / nullif(
            lag(count_visits) over (partition by month_start, channel order by step_number), 0
        ) as share_of_previous
    from filled
)

select * from final
