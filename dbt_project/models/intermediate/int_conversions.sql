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

-- Who is known by a browser or a device alone is another person at the next visit: no new customer.
known as (
    select distinct customer_id
    from {{ ref('stg_identity__identifiers') }}
    where
        id_type not in (
            'customer_id'
            {%- for id_type in company_var('guest_id_types') %}, '{{ id_type }}'{% endfor %}
        )
),

final as (
    select
        orders.order_id as conversion_id,
        orders.customer_id,
        orders.ordered_at as converted_at,
        coalesce(orders.revenue_cents, 0) as revenue_cents,
        orders.currency,
        journey.session_id,
        coalesce(profiles.customer_type, 'retail') as customer_type,
        known.customer_id is not null
        and row_number() over (
            partition by orders.customer_id order by orders.ordered_at nulls last, orders.order_id
        ) = 1 as is_first
    from orders
    left join journey
        on orders.order_id = journey.source_id and journey.kind = 'purchase'
    left join profiles
        on orders.customer_id = profiles.customer_id
    left join known
        on orders.customer_id = known.customer_id
    where
        orders.kind = 'sale'
        and orders.customer_id is not null
        and orders.ordered_at is not null
)

select * from final
