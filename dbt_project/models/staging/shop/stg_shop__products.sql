with source as (
    select * from {{ source('raw', 'shop__products') }}
),

final as (
    select
        id as product_id,
        {{ blank_to_null('sku') }} as sku,
        {{ blank_to_null('title') }} as product_name,
        {{ blank_to_null('category') }} as category,
        {{ blank_to_null('brand') }} as brand,
        unit_cost_cents,
        list_price_cents,
        upper(currency) as currency,
        is_active,
        created_at,
        updated_at
    from source
    -- a table of this name that another tool brings has no id of ours
    where id is not null and not coalesce(_is_deleted, false)
)

select * from final
