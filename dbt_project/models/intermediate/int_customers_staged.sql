with as_of as (
    select * from {{ ref('int_as_of') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

orders as (
    select * from {{ ref('orders') }}
    where {{ has_happened('ordered_at') }}
),

subscriptions as (
    select * from {{ ref('subscriptions') }}
),

current_subscriptions as (
    select * from {{ ref('int_subscriptions_current') }}
),

people as (
    select
        customer_id,
        max(
            case when id_type in ('user_id', 'email', 'crm_id', 'payment_id') then 1 else 0 end
        ) = 1 as is_known
    from identifiers
    group by customer_id
),

bought as (
    select
        customer_id,
        count(*) as count_orders,
        max(ordered_at) as last_order_at
    from orders
    where kind = 'sale' and customer_id is not null
    group by customer_id
),

-- A subscription counts as often as it was paid, and once when no invoice tells.
subscribed as (
    select
        customer_id,
        sum(greatest(count_invoices - count_invoices_unpaid, 1)) as count_payments
    from subscriptions
    group by customer_id
),

-- Who cancelled and bought after that is still here; who pays for a subscription is too.
judged as (
    select
        people.customer_id,
        people.is_known,
        coalesce(bought.count_orders, 0) as count_orders,
        bought.last_order_at,
        current_subscriptions.cancelled_at as subscription_cancelled_at,
        coalesce(bought.count_orders, 0) + coalesce(subscribed.count_payments, 0)
            as count_purchases,
        case
            when current_subscriptions.state = 'active' then null
            when
                current_subscriptions.state = 'cancelled'
                and coalesce(bought.last_order_at <= current_subscriptions.cancelled_at, true)
                then 'cancelled subscription'
            when
                bought.last_order_at
                < as_of.as_of - interval '{{ company_var("lapsed_after_days") }} days'
                then 'no order'
        end as lapse_reason
    from people
    cross join as_of
    left join bought on people.customer_id = bought.customer_id
    left join subscribed on people.customer_id = subscribed.customer_id
    left join current_subscriptions
        on people.customer_id = current_subscriptions.customer_id
),

final as (
    select
        customer_id,
        count_orders,
        last_order_at,
        subscription_cancelled_at,
        lapse_reason,
        case
            when lapse_reason is not null then 'lapsed'
            when count_purchases > 1 then 'repeat'
            when count_purchases = 1 then 'new'
            when is_known then 'prospect'
            else 'visitor'
        end as lifecycle_stage
    from judged
)

select * from final
