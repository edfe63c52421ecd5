with source as (
    select * from {{ source('raw', 'files__order_lines') }}
),

final as (
    select
        source,
        order_id,
        line_no,
        product_id,
        quantity,
        unit_price_cents
    from source
)

select * from final
