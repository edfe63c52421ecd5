with tracks as (
    select * from {{ ref('stg_events__tracks') }}
),

orders as (
    select
        source,
        message_id,
        user_id,
        anonymous_id,
        occurred_at,
        known_at,
        {{ blank_to_null(json_text('payload', 'properties.order_id')) }} as order_id,
        {{ to_cents(json_text('payload', 'properties.total')) }} as total_cents,
        upper({{ json_text('payload', 'properties.currency') }}) as currency,
        {{ blank_to_null(json_text('payload', 'properties.coupon')) }} as coupon_code,
        {{ to_cents(json_text('payload', 'properties.discount')) }} as discount_cents
    from tracks
    where event_name = 'Order Completed'
),

final as (
    select *
    from orders
    where order_id is not null
    qualify
        row_number() over (
            partition by order_id
            order by known_at nulls last, occurred_at nulls last, source, message_id
        ) = 1
)

select * from final
