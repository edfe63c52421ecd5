with events_completed as (
    select * from {{ ref('stg_events__orders_completed') }}
),

events_reversed as (
    select * from {{ ref('stg_events__orders_reversed') }}
),

payments_orders as (
    select * from {{ ref('stg_payments__orders') }}
),

payments_refunds as (
    select * from {{ ref('stg_payments__refunds') }}
),

files_orders as (
    select * from {{ ref('stg_files__orders') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

-- Who wins when several sources know one document: rank 1 for money and kind; the others fill in.
documents as (
    select
        1 as source_rank,
        'payments' as source_of_truth,
        payments_orders.order_id,
        cast(null as string) as original_order_id,
        payers.customer_id,
        'sale' as kind,
        payments_orders.ordered_at,
        payments_orders.ordered_at as known_at,
        payments_orders.total_cents,
        payments_orders.currency,
        payments_orders.coupon_code
    from payments_orders
    left join identifiers as payers
        on payments_orders.payment_id = payers.id_value and payers.id_type = 'payment_id'
    where coalesce(payments_orders.status, 'paid') not in ('failed', 'pending')
    union all
    select
        2 as source_rank,
        'files' as source_of_truth,
        files_orders.order_id,
        cast(null as string) as original_order_id,
        users.customer_id,
        files_orders.kind,
        files_orders.ordered_at,
        files_orders.ordered_at as known_at,
        files_orders.total_cents,
        files_orders.currency,
        cast(null as string) as coupon_code
    from files_orders
    left join identifiers as users
        on files_orders.user_id = users.id_value and users.id_type = 'user_id'
    union all
    select
        3 as source_rank,
        'events' as source_of_truth,
        events_completed.order_id,
        cast(null as string) as original_order_id,
        coalesce(users.customer_id, devices.customer_id) as customer_id,
        'sale' as kind,
        events_completed.occurred_at as ordered_at,
        events_completed.known_at,
        events_completed.total_cents,
        events_completed.currency,
        events_completed.coupon_code
    from events_completed
    left join identifiers as users
        on events_completed.user_id = users.id_value and users.id_type = 'user_id'
    left join identifiers as devices
        on events_completed.anonymous_id = devices.id_value and devices.id_type = 'anonymous_id'
),

sale_ids as (
    select distinct order_id
    from documents
    where kind = 'sale'
),

refunded_ids as (
    select distinct order_id
    from payments_refunds
),

-- A reversal that names a sale becomes a document of its own; one with its own number already is one.
reversals as (
    select
        1 as source_rank,
        'payments' as source_of_truth,
        payments_refunds.order_id || ':' || payments_refunds.refund_id as order_id,
        payments_refunds.order_id as original_order_id,
        payers.customer_id,
        case when payments_orders.status = 'cancelled' then 'cancellation' else 'refund' end as kind,
        payments_refunds.refunded_at as ordered_at,
        payments_refunds.refunded_at as known_at,
        payments_refunds.amount_cents as total_cents,
        payments_refunds.currency,
        cast(null as string) as coupon_code
    from payments_refunds
    left join payments_orders
        on payments_refunds.order_id = payments_orders.order_id
    left join identifiers as payers
        on payments_orders.payment_id = payers.id_value and payers.id_type = 'payment_id'
    union all
    select
        3 as source_rank,
        'events' as source_of_truth,
        case
            when sale_ids.order_id is null then events_reversed.order_id
            else
                events_reversed.order_id || ':' || events_reversed.kind || ':'
                || cast(
                    row_number() over (
                        partition by events_reversed.order_id, events_reversed.kind
                        order by events_reversed.occurred_at asc nulls last
                    ) as string
                )
        end as order_id,
        sale_ids.order_id as original_order_id,
        coalesce(users.customer_id, devices.customer_id) as customer_id,
        events_reversed.kind,
        events_reversed.occurred_at as ordered_at,
        events_reversed.known_at,
        events_reversed.total_cents,
        events_reversed.currency,
        cast(null as string) as coupon_code
    from events_reversed
    left join sale_ids
        on events_reversed.order_id = sale_ids.order_id
    left join refunded_ids
        on events_reversed.order_id = refunded_ids.order_id
    left join identifiers as users
        on events_reversed.user_id = users.id_value and users.id_type = 'user_id'
    left join identifiers as devices
        on events_reversed.anonymous_id = devices.id_value and devices.id_type = 'anonymous_id'
    where refunded_ids.order_id is null
),

everything as (
    select * from documents
    union all
    select * from reversals
),

-- One row per document: the best source's value where it has one, else the next one's.
merged as (
    select
        order_id,
        min_by(source_of_truth, source_rank) as source_of_truth,
        min_by(kind, source_rank) filter (where kind is not null) as kind,
        min_by(original_order_id, source_rank) filter (where original_order_id is not null) as original_order_id,
        min_by(customer_id, source_rank) filter (where customer_id is not null) as customer_id,
        min_by(ordered_at, source_rank) filter (where ordered_at is not null) as ordered_at,
        min(known_at) as known_at,
        min_by(total_cents, source_rank) filter (where total_cents is not null) as total_cents,
        min_by(currency, source_rank) filter (where currency is not null) as currency,
        min_by(coupon_code, source_rank) filter (where coupon_code is not null) as coupon_code
    from everything
    group by order_id
),

final as (
    select
        merged.order_id,
        merged.original_order_id,
        coalesce(merged.customer_id, originals.customer_id) as customer_id,
        merged.kind,
        merged.ordered_at,
        merged.known_at,
        case
            when merged.kind in ('cancellation', 'refund')
                then -abs(coalesce(merged.total_cents, originals.total_cents))
            else merged.total_cents
        end as total_cents,
        coalesce(merged.currency, originals.currency) as currency,
        merged.coupon_code,
        merged.source_of_truth
    from merged
    left join merged as originals
        on merged.original_order_id = originals.order_id
)

select * from final
