with source as (
    select
        *,
        -- a clock that nobody corrected: it happened when it was received, at the latest
        coalesce({{ days_between('received_at', 'timestamp') }} >= 1, false) as is_ahead
    from {{ source('raw', 'events') }}
),

final as (
    select
        source,
        message_id,
        type,
        event as event_name,
        {{ blank_to_null('user_id') }} as user_id,
        {{ blank_to_null('anonymous_id') }} as anonymous_id,
        case when is_ahead then received_at else timestamp end as occurred_at,
        received_at,
        case when is_ahead then received_at else coalesce(known_at, received_at) end as known_at,
        route,
        payload
    from source
)

select * from final
