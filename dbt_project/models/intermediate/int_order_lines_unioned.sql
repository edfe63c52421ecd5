with payments_lines as (
    select * from {{ ref('stg_payments__order_lines') }}
),

files_lines as (
    select * from {{ ref('stg_files__order_lines') }}
),

events_lines as (
    select * from {{ ref('stg_events__order_products') }}
),

orders as (
    select * from {{ ref('int_orders_unioned') }}
),

products as (
    select * from {{ ref('int_products_categorised') }}
),

candidates as (
    select
        1 as source_rank,
        order_id,
        row_number() over (partition by order_id order by line_id) as line_no,
        product_id,
        quantity,
        unit_price_cents
    from payments_lines
    union all
    select
        2 as source_rank,
        order_id,
        line_no,
        product_id,
        quantity,
        unit_price_cents
    from files_lines
    union all
    select
        3 as source_rank,
        order_id,
        line_no,
        product_id,
        quantity,
        unit_price_cents
    from events_lines
    qualify
        row_number() over (
            partition by order_id, line_no
            order by occurred_at nulls last, source, message_id
        ) = 1
),

best_sources as (
    select
        order_id,
        min(source_rank) as source_rank
    from candidates
    group by order_id
),

final as (
    select
        candidates.order_id,
        candidates.line_no,
        orders.customer_id,
        orders.kind,
        orders.ordered_at,
        orders.known_at,
        candidates.product_id,
        products.product_name,
        products.category,
        candidates.quantity,
        candidates.unit_price_cents
    from candidates
    inner join best_sources
        on
            candidates.order_id = best_sources.order_id
            and candidates.source_rank = best_sources.source_rank
    inner join orders
        on candidates.order_id = orders.order_id
    left join products
        on candidates.product_id = products.product_id
)

select * from final
