with source as (
    select * from {{ source('raw', 'payments__orders') }}
),

final as (
    select
        id as order_id,
        customer_id as payment_id,
        status,
        coalesce(
            lower(trim(status)) in (
                'failed', 'pending', 'unpaid', 'declined', 'voided', 'expired'
            ),
            false
        ) as is_unpaid,
        total_cents,
        upper(currency) as currency,
        {{ blank_to_null('coupon_code') }} as coupon_code,
        coupon_discount_cents,
        ordered_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
