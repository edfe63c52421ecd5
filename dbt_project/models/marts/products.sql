with products as (
    select * from {{ ref('int_products_categorised') }}
),

inventory as (
    select * from {{ ref('stg_shop__inventory') }}
),

final as (
    select
        products.product_id,
        products.sku,
        products.product_name,
        products.category,
        products.brand,
        products.unit_cost_cents,
        products.list_price_cents,
        products.list_price_cents - products.unit_cost_cents as unit_margin_cents,
        products.currency,
        coalesce(products.is_active, true) as is_active,
        inventory.count_available,
        products.created_at
    from products
    left join inventory
        on products.product_id = inventory.product_id
)

select * from final
