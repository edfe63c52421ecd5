with tracks as (
    select * from {{ ref('stg_events__tracks') }}
),

items as (
    select
        tracks.source,
        tracks.message_id,
        tracks.occurred_at,
        {{ blank_to_null(json_text('tracks.payload', 'properties.order_id')) }} as order_id,
        products.position as line_no,
        products.item
    from tracks
    {{ json_items('tracks.payload', 'properties.products', 'products') }}
    where tracks.event_name = 'Order Completed'
),

final as (
    select
        source,
        message_id,
        occurred_at,
        order_id,
        line_no,
        {{ json_text('item', 'product_id') }} as product_id,
        {{ json_text('item', 'name') }} as product_name,
        {{ json_text('item', 'category') }} as category,
        try_cast({{ json_text('item', 'quantity') }} as bigint) as quantity,
        {{ to_cents(json_text('item', 'price')) }} as unit_price_cents
    from items
    where order_id is not null
)

select * from final
