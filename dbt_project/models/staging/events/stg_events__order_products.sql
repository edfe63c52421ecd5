{{ config(
    materialized=growing(), unique_key=['source', 'message_id'], meta={'gone': 'line_no'}
) }}

{%- set grown = grows() -%}

{%- set events -%}
    (select * from {{ ref('stg_events__tracks') }} where event_name = 'Order Completed')
{%- endset %}

{%- set built -%}
    (select distinct source, message_id, occurred_at from {{ this }})
{%- endset %}

with {{ events_taken(events, grown, ['occurred_at'], built) }}

baskets as (
    select
        source,
        message_id,
        occurred_at,
        {{ blank_to_null(json_text('payload', 'properties.order_id')) }} as order_id,
        {{ json_records(
            'payload', 'properties.products', ['product_id', 'name', 'category', 'quantity', 'price']
        ) }} as products
    from fresh
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
        items.source,
        items.message_id,
        items.occurred_at,
        items.order_id,
        items.position + 1 as line_no,
        items.item.product_id,
        items.item.name as product_name,
        items.item.category,
        {{ written_number('items.item.quantity') }} as quantity,
        {{ to_cents('items.item.price') }} as unit_price_cents
    from items
)

{{ events_given('final', grown) }}
