with as_of as (
    select * from {{ ref('int_as_of') }}
),

people as (
    select * from {{ ref('int_customers_staged') }}
),

final as (
    select
        people.customer_id,
        people.lapse_reason as reason,
        people.count_orders,
        people.last_order_at,
        people.subscription_cancelled_at,
        as_of.as_of
    from people
    cross join as_of
    where people.lifecycle_stage = 'lapsed'
)

select * from final
