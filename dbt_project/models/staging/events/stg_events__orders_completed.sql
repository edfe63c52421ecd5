with told as (
    select * from {{ ref('stg_events__orders_told') }}
),

final as (
    select
        source,
        message_id,
        user_id,
        anonymous_id,
        occurred_at,
        known_at,
        order_id,
        total_cents,
        currency,
        coupon_code,
        discount_cents
    from told
    where event_name = 'Order Completed' and order_id is not null
    qualify
        row_number() over (
            partition by order_id
            order by known_at nulls last, occurred_at nulls last, source, message_id
        ) = 1
)

select * from final
