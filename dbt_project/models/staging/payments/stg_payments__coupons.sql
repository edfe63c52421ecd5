with source as (
    select * from {{ source('raw', 'payments__coupons') }}
),

final as (
    select
        id as coupon_id,
        {{ blank_to_null('code') }} as coupon_code,
        percent_off,
        amount_off_cents,
        valid_from,
        valid_until,
        updated_at
    from source
    where not coalesce(_is_deleted, false) and {{ blank_to_null('code') }} is not null
)

select * from final
