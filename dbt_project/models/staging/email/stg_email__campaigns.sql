with source as (
    select * from {{ source('raw', 'email__campaigns') }}
),

final as (
    select
        id as email_campaign_id,
        {{ blank_to_null('name') }} as campaign_name,
        {{ blank_to_null('subject') }} as subject,
        {{ blank_to_null('coupon_code') }} as coupon_code,
        sent_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
