with tracks as (
    select * from {{ ref('stg_events__tracks') }}
),

baskets as (
    select
        source,
        message_id,
        occurred_at,
        {{ blank_to_null(json_text('payload', 'properties.order_id')) }} as order_id,
        {{ json_list('payload', 'properties.products') }} as products
    from tracks
    where event_name = 'Order Completed'
),

items as (
    select
        source,
        message_id,
        occurred_at,
        order_id,
        {{ exploded('products') }}
    from baskets
    where order_id is not null
),

final as (
    select
        source,
        message_id,
        occurred_at,
        order_id,
        position + 1 as line_no,
        {{ json_text('item', 'product_id') }} as product_id,
        {{ json_text('item', 'name') }} as product_name,
        {{ json_text('item', 'category') }} as category,
        try_cast({{ json_text('item', 'quantity') }} as bigint) as quantity,
        {{ to_cents(json_text('item', 'price')) }} as unit_price_cents
    from items
)

select * from final
