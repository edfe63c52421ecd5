with products_seen as (
    select * from {{ ref('stg_events__products_seen') }}
),

order_products as (
    select * from {{ ref('stg_events__order_products') }}
),

files_products as (
    select * from {{ ref('stg_files__products') }}
),

catalogue as (
    select * from {{ ref('stg_shop__products') }}
),

skus as (
    select * from {{ ref('stg_payments__skus') }}
    where product_id is not null
    qualify
        row_number() over (
            partition by product_id
            order by updated_at desc nulls last, sku_id asc
        ) = 1
),

-- The same is said of a product many times: as of the last.
seen as (
    select
        product_id,
        product_name,
        category,
        max(occurred_at) as occurred_at
    from (
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
    ) as said
    group by product_id, product_name, category
),

mentions as (
    select
        product_id,
        product_name,
        category,
        occurred_at
    from seen
    union all
    select
        product_id,
        product_name,
        cast(null as string) as category,
        cast(null as timestamp) as occurred_at
    from files_products
    union all
    select
        product_id,
        sku_title as product_name,
        cast(null as string) as category,
        cast(null as timestamp) as occurred_at
    from skus
    union all
    select
        product_id,
        product_name,
        category,
        cast(null as timestamp) as occurred_at
    from catalogue
),

mentioned as (
    select
        product_id,
        coalesce(
            max_by(product_name, {{ in_order_of(['occurred_at', 'product_name']) }}) filter (
                where product_name is not null and occurred_at is not null
            ),
            max(product_name)
        ) as product_name,
        max_by(category, {{ in_order_of(['occurred_at', 'category']) }}) filter (
            where category is not null and occurred_at is not null
        ) as category
    from mentions
    where product_id is not null
    group by product_id
),

-- The catalogue is believed first, then what was last seen.
final as (
    select
        mentioned.product_id,
        coalesce(catalogue.product_name, mentioned.product_name) as product_name,
        coalesce(catalogue.category, mentioned.category) as category,
        coalesce(catalogue.sku, skus.sku) as sku,
        catalogue.brand,
        catalogue.unit_cost_cents,
        coalesce(catalogue.list_price_cents, skus.unit_price_cents) as list_price_cents,
        coalesce(catalogue.currency, skus.currency) as currency,
        catalogue.is_active,
        catalogue.created_at
    from mentioned
    left join catalogue
        on mentioned.product_id = catalogue.product_id
    left join skus
        on mentioned.product_id = skus.product_id
)

select * from final
