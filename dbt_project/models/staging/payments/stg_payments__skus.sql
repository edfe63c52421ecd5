with source as (
    select * from {{ source('raw', 'payments__skus') }}
),

final as (
    select
        id as sku_id,
        {{ blank_to_null('sku') }} as sku,
        {{ blank_to_null('product_id') }} as product_id,
        {{ blank_to_null('title') }} as sku_title,
        unit_price_cents,
        upper(currency) as currency,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
