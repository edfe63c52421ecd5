{{ config(materialized=growing(), unique_key='customer_id', meta={'compares': true}) }}

with orders as (
    select * from {{ ref('orders') }}
),

journey as (
    select * from {{ ref('customer_journey') }}
),

profiles as (
    select * from {{ ref('int_customers_profiled') }}
),

final as (
    select
        orders.order_id as conversion_id,
        orders.customer_id,
        orders.ordered_at as converted_at,
        coalesce(orders.total_cents, 0) as revenue_cents,
        orders.currency,
        journey.session_id,
        coalesce(profiles.customer_type, 'retail') as customer_type,
        row_number() over (
            partition by orders.customer_id order by orders.ordered_at nulls last, orders.order_id
        ) = 1 as is_first
    from orders
    left join journey
        on orders.order_id = journey.source_id and journey.kind = 'purchase'
    left join profiles
        on orders.customer_id = profiles.customer_id
    where
        orders.kind = 'sale'
        and orders.customer_id is not null
        and orders.ordered_at is not null
)

select * from final
