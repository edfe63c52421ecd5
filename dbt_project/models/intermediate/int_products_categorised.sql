with products_seen as (
    select * from {{ ref('stg_events__products_seen') }}
),

order_products as (
    select * from {{ ref('stg_events__order_products') }}
),

files_products as (
    select * from {{ ref('stg_files__products') }}
),

mentions as (
    select
        product_id,
        product_name,
        category,
        occurred_at
    from products_seen
    union all
    select
        product_id,
        product_name,
        category,
        occurred_at
    from order_products
    union all
    select
        product_id,
        product_name,
        cast(null as string) as category,
        cast(null as timestamp) as occurred_at
    from files_products
),

final as (
    select
        product_id,
        coalesce(
            max_by(product_name, occurred_at) filter (
                where product_name is not null and occurred_at is not null
            ),
            max(product_name)
        ) as product_name,
        max_by(category, occurred_at) filter (where category is not null) as category
    from mentions
    where product_id is not null
    group by product_id
)

select * from final
