-- Grows by event: those that are new, gone, or another person's than before.
{{ config(
    materialized=growing(), unique_key=['source', 'message_id'], meta={'gone': 'type'}
) }}

with events as (
    select * from {{ ref('stg_events__events') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

identified as (
    select
        events.source,
        events.message_id,
        events.type,
        events.event_name,
        events.anonymous_id,
        events.occurred_at,
        events.known_at,
        coalesce(logins.customer_id, devices.customer_id) as customer_id
    from events
    left join identifiers as logins
        on events.user_id = logins.id_value and logins.id_type = 'user_id'
    left join identifiers as devices
        on events.anonymous_id = devices.id_value and devices.id_type = 'anonymous_id'
),

final as (
    select
        *,
        case
            when
                type not in ('page', 'screen', 'track')
                or (
                    type = 'track'
                    and (
                        source in ({{ quoted_list(company_var('server_sources')) }})
                        or source in ({{ quoted_list(company_var('tool_sources')) }})
                        or event_name in ({{ quoted_list(company_var('events_outside_sessions')) }})
                    )
                )
                then null
            when type = 'screen' or source in ({{ quoted_list(company_var('app_sources')) }})
                then 'app'
            else 'web'
        end as platform
    from identified
)

{% if grows() %}
    select
        coalesce(final.source, built.source) as source,
        coalesce(final.message_id, built.message_id) as message_id,
        final.type,
        final.event_name,
        final.anonymous_id,
        final.occurred_at,
        final.known_at,
        final.customer_id,
        final.platform
    from final
    full outer join {{ this }} as built
        on final.source = built.source and final.message_id = built.message_id
    where
        built.message_id is null
        or final.message_id is null
        or final.customer_id is distinct from built.customer_id
        or final.occurred_at is distinct from built.occurred_at
        or final.known_at is distinct from built.known_at
{% else %}
    select * from final
{% endif %}
