with as_of as (
    select * from {{ ref('int_as_of') }}
),

orders as (
    select * from {{ ref('orders') }}
),

subscriptions as (
    select * from {{ ref('int_subscriptions_current') }}
),

buyers as (
    select
        orders.customer_id,
        count(*) as count_orders,
        max(orders.ordered_at) as last_order_at
    from orders
    cross join as_of
    where
        orders.kind = 'sale' and orders.customer_id is not null and orders.ordered_at < as_of.as_of
    group by orders.customer_id
),

cancelled as (
    select
        subscriptions.customer_id,
        subscriptions.cancelled_at
    from subscriptions
    cross join as_of
    where subscriptions.state = 'cancelled' and subscriptions.cancelled_at < as_of.as_of
),

active as (
    select customer_id
    from subscriptions
    where state = 'active'
),

-- Who cancelled and bought after that is still here; who pays for a subscription is too.
final as (
    select
        coalesce(buyers.customer_id, cancelled.customer_id) as customer_id,
        case
            when cancelled.customer_id is not null then 'cancelled subscription'
            else 'no order'
        end as reason,
        coalesce(buyers.count_orders, 0) as count_orders,
        buyers.last_order_at,
        cancelled.cancelled_at as subscription_cancelled_at,
        as_of.as_of
    from buyers
    full outer join cancelled on buyers.customer_id = cancelled.customer_id
    cross join as_of
    left join active on buyers.customer_id = active.customer_id
    where
        active.customer_id is null
        and (
            (
                cancelled.customer_id is not null
                and coalesce(buyers.last_order_at <= cancelled.cancelled_at, true)
            )
            or (
                buyers.last_order_at
                < as_of.as_of - interval '{{ company_var("lapsed_after_days") }} days'
            )
        )
)

select * from final
