with events_completed as (
    select * from {{ ref('stg_events__orders_completed') }}
),

payments_orders as (
    select * from {{ ref('stg_payments__orders') }}
),

payments_customers as (
    select * from {{ ref('stg_payments__customers') }}
),

files_orders as (
    select * from {{ ref('stg_files__orders') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

-- Where several sources know one document, source_rank says whose money and kind are believed, and
-- person_rank whose person: a login, then a payer who is tied to anything, then a device.
documents as (
    select
        1 as source_rank,
        'payments' as source_of_truth,
        payments_orders.order_id,
        payers.customer_id,
        case
            when payments_customers.user_id is null and payments_customers.email is null then 4
            else 2
        end as person_rank,
        'sale' as kind,
        payments_orders.ordered_at,
        payments_orders.ordered_at as known_at,
        payments_orders.total_cents,
        payments_orders.currency,
        payments_orders.coupon_code,
        payments_orders.coupon_discount_cents as discount_cents,
        payments_orders.status as payment_status
    from payments_orders
    left join payments_customers
        on payments_orders.payment_id = payments_customers.payment_id
    left join identifiers as payers
        on payments_orders.payment_id = payers.id_value and payers.id_type = 'payment_id'
    union all
    select
        2 as source_rank,
        'files' as source_of_truth,
        files_orders.order_id,
        logins.customer_id,
        2 as person_rank,
        files_orders.kind,
        files_orders.ordered_at,
        files_orders.ordered_at as known_at,
        files_orders.total_cents,
        files_orders.currency,
        cast(null as string) as coupon_code,
        cast(null as bigint) as discount_cents,
        cast(null as string) as payment_status
    from files_orders
    left join identifiers as logins
        on files_orders.user_id = logins.id_value and logins.id_type = 'user_id'
    union all
    select
        3 as source_rank,
        'events' as source_of_truth,
        events_completed.order_id,
        coalesce(logins.customer_id, devices.customer_id) as customer_id,
        case when logins.customer_id is null then 3 else 1 end as person_rank,
        'sale' as kind,
        events_completed.occurred_at as ordered_at,
        events_completed.known_at,
        events_completed.total_cents,
        events_completed.currency,
        events_completed.coupon_code,
        events_completed.discount_cents,
        cast(null as string) as payment_status
    from events_completed
    left join identifiers as logins
        on events_completed.user_id = logins.id_value and logins.id_type = 'user_id'
    left join identifiers as devices
        on
            events_completed.anonymous_id = devices.id_value
            and devices.id_type = 'anonymous_id'
),

-- Nobody's word makes a sale of an order that the payment tool got no money for.
unpaid as (
    select order_id
    from payments_orders
    where is_unpaid
),

sold as (
    select documents.*
    from documents
    left join unpaid
        on documents.order_id = unpaid.order_id
    where unpaid.order_id is null
),

final as (
    select
        order_id,
        min_by(source_of_truth, source_rank) as source_of_truth,
        min_by(kind, source_rank) filter (where kind is not null) as kind,
        min_by(customer_id, person_rank) filter (where customer_id is not null) as customer_id,
        min_by(ordered_at, source_rank) filter (where ordered_at is not null) as ordered_at,
        min(known_at) as known_at,
        min_by(total_cents, source_rank) filter (where total_cents is not null) as total_cents,
        min_by(currency, source_rank) filter (where currency is not null) as currency,
        min_by(coupon_code, source_rank) filter (where coupon_code is not null) as coupon_code,
        min_by(discount_cents, source_rank) filter (where discount_cents is not null)
            as discount_cents,
        max(payment_status) as payment_status
    from sold
    group by order_id
)

select * from final
