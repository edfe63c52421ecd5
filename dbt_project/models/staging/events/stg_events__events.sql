with source as (
    select * from {{ source('raw', 'events') }}
),

final as (
    select
        source,
        message_id,
        type,
        event as event_name,
        {{ blank_to_null('user_id') }} as user_id,
        {{ blank_to_null('anonymous_id') }} as anonymous_id,
        timestamp as occurred_at,
        received_at,
        coalesce(known_at, received_at) as known_at,
        route,
        payload
    from source
)

select * from final
