with source as (
    select * from {{ source('raw', 'payments__order_lines') }}
),

final as (
    select
        id as line_id,
        order_id,
        product_id,
        quantity,
        unit_price_cents,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
