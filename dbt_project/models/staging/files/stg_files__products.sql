with source as (
    select * from {{ source('raw', 'files__products') }}
),

final as (
    select
        source,
        product_id,
        {{ blank_to_null('name') }} as product_name,
        unit_price_cents
    from source
)

select * from final
