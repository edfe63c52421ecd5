-- Grows by person: a late event can weld two visits or begin one, so all visits of those are told
-- apart anew of whom an event is new, gone or moved, and of nobody else.
{{ config(
    materialized=growing(), unique_key='customer_id',
    meta={'follows': ['int_events_identified']}
) }}

{%- set grown = grows() %}

with events as (
    select
        theirs.customer_id,
        theirs.source,
        theirs.message_id,
        theirs.type,
        theirs.event_name,
        theirs.platform,
        theirs.occurred_at,
        theirs.known_at
    from {{ ref('int_events_identified') }} as theirs
    where
        {{ is_taken('theirs.customer_id', grown) }}
        and theirs.platform is not null
        and theirs.customer_id is not null
        and theirs.occurred_at is not null
),

visits as (
    select
        *,
        lag(occurred_at) over (
            partition by customer_id, platform
            order by occurred_at nulls last, source, message_id
        ) as previous_at
    from events
),

numbered as (
    select
        *,
        previous_at is null
        or occurred_at > previous_at + interval '{{ company_var("session_gap_minutes") }} minutes'
            as is_first
    from visits
),

sessions as (
    select
        *,
        sum(case when is_first then 1 else 0 end) over (
            partition by customer_id, platform
            order by occurred_at nulls last, source, message_id
            rows between unbounded preceding and current row
        ) as session_number
    from numbered
),

-- A visit is called after its first event.
names as (
    select
        customer_id,
        platform,
        session_number,
        md5(source || ':' || message_id) as session_id
    from sessions
    where is_first
),

final as (
    select
        sessions.source,
        sessions.message_id,
        names.session_id,
        sessions.customer_id,
        sessions.platform,
        sessions.type,
        sessions.event_name,
        sessions.occurred_at,
        sessions.known_at,
        sessions.is_first
    from sessions
    inner join names
        on
            sessions.customer_id = names.customer_id
            and sessions.platform = names.platform
            and sessions.session_number = names.session_number
)

select * from final
