with tracks as (
    select * from {{ ref('stg_events__tracks') }}
),

final as (
    select
        source,
        message_id,
        event_name,
        user_id,
        anonymous_id,
        occurred_at,
        known_at,
        {{ json_text('payload', 'properties.product_id') }} as product_id,
        {{ json_text('payload', 'properties.name') }} as product_name,
        {{ json_text('payload', 'properties.category') }} as category
    from tracks
    where event_name in ('Product Viewed', 'Product Added')
)

select * from final
