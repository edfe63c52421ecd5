with source as (
    select * from {{ source('raw', 'payments__orders') }}
),

final as (
    select
        id as order_id,
        customer_id as payment_id,
        status,
        total_cents,
        upper(currency) as currency,
        {{ blank_to_null('coupon_code') }} as coupon_code,
        ordered_at,
        updated_at
    from source
)

select * from final
