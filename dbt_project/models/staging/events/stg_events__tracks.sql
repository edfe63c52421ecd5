with events as (
    select * from {{ ref('stg_events__events') }}
),

final as (
    select
        source,
        message_id,
        event_name,
        user_id,
        anonymous_id,
        occurred_at,
        received_at,
        known_at,
        route,
        payload
    from events
    where type = 'track'
)

select * from final
