-- Grows by person: a late event can weld two visits or begin one, so all visits of those are told
-- apart anew who have other events than before, and of nobody else. Who has none any longer comes
-- as a row without an event, which takes the old ones out and is then deleted.
{{ config(
    materialized=growing(), unique_key='customer_id', incremental_strategy='delete+insert',
    on_schema_change='sync_all_columns', post_hook=[
        "{{ without_the_gone(this, 'message_id') }}",
        "{{ remember_how(this, ['session_gap_minutes']) }}",
    ]
) }}

{%- set told = [
    'source', 'message_id', 'type', 'event_name', 'platform', 'occurred_at', 'known_at',
] %}

{%- set of_visits -%}
    (
        select *
        from {{ ref('int_events_identified') }}
        where platform is not null and customer_id is not null and occurred_at is not null
    )
{%- endset %}

with events as (
    select
        customer_id,
        {{ told | join(', ') }}
    from {{ of_visits }} as of_visits
),

{% if is_incremental() %}
    changed as (
        {% if is_built_alike(this, ['session_gap_minutes']) %}
            {{ changed_groups(of_visits, this, 'customer_id', told) }}
        {% else %}
            select customer_id from events
            union
            select customer_id from {{ this }}
        {% endif %}
    ),

    fresh as (
        select events.*
        from events
        inner join changed
            on events.customer_id = changed.customer_id
    ),

    gone as (
        select changed.customer_id
        from changed
        left join fresh
            on changed.customer_id = fresh.customer_id
        where fresh.customer_id is null
    ),
{% else %}
    fresh as (
        select * from events
    ),
{% endif %}

visits as (
    select
        *,
        lag(occurred_at) over (
            partition by customer_id, platform
            order by occurred_at nulls last, source, message_id
        ) as previous_at
    from fresh
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
    {% if is_incremental() %}
        union all
        select
            cast(null as string) as source,
            cast(null as string) as message_id,
            cast(null as string) as session_id,
            customer_id,
            cast(null as string) as platform,
            cast(null as string) as type,  -- noqa: RF04
            cast(null as string) as event_name,
            cast(null as timestamp) as occurred_at,
            cast(null as timestamp) as known_at,
            cast(null as boolean) as is_first
        from gone
    {% endif %}
)

select * from final
