with lines as (
    select * from {{ ref('int_order_lines_unioned') }}
),

final as (
    select
        order_id,
        line_no,
        customer_id,
        kind,
        ordered_at,
        product_id,
        product_name,
        category,
        quantity,
        unit_price_cents,
        quantity * unit_price_cents as amount_cents
    from lines
)

select * from final
