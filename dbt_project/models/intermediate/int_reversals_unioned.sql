with documents as (
    select * from {{ ref('int_sales_unioned') }}
),

payments_orders as (
    select * from {{ ref('stg_payments__orders') }}
),

-- What was never paid is no sale, and so nothing of it is taken back.
unpaid as (
    select order_id
    from payments_orders
    where is_unpaid
),

events_reversed as (
    select told.*
    from {{ ref('stg_events__orders_reversed') }} as told
    left join unpaid
        on told.order_id = unpaid.order_id
    where unpaid.order_id is null
),

payments_refunds as (
    select refunds.*
    from {{ ref('stg_payments__refunds') }} as refunds
    left join unpaid
        on refunds.order_id = unpaid.order_id
    where unpaid.order_id is null
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

sales as (
    select * from documents
    where kind = 'sale'
),

refunded_by_payments as (
    select distinct order_id
    from payments_refunds
),

claims as (
    select
        1 as source_rank,
        'payments' as source_of_truth,
        order_id || ':' || refund_id as reversal_id,
        order_id as original_order_id,
        cast(null as string) as customer_id,
        'refund' as kind,
        refunded_at as reversed_at,
        refunded_at as known_at,
        amount_cents as total_cents,
        currency
    from payments_refunds
    union all
    -- A refund without a number cannot be told from the payment tool's: then those are believed.
    select
        2 as source_rank,
        'events' as source_of_truth,
        case
            when sales.order_id is null then events_reversed.order_id
            when events_reversed.kind = 'cancellation' then sales.order_id || ':cancellation'
            else
                sales.order_id || ':'
                || coalesce(events_reversed.refund_id, cast(events_reversed.occurred_at as string))
        end as reversal_id,
        sales.order_id as original_order_id,
        coalesce(logins.customer_id, devices.customer_id) as customer_id,
        events_reversed.kind,
        events_reversed.occurred_at as reversed_at,
        events_reversed.known_at,
        events_reversed.total_cents,
        events_reversed.currency
    from events_reversed
    left join sales
        on events_reversed.order_id = sales.order_id
    left join refunded_by_payments
        on events_reversed.order_id = refunded_by_payments.order_id
    left join identifiers as logins
        on events_reversed.user_id = logins.id_value and logins.id_type = 'user_id'
    left join identifiers as devices
        on
            events_reversed.anonymous_id = devices.id_value
            and devices.id_type = 'anonymous_id'
    where
        events_reversed.kind = 'cancellation'
        or events_reversed.refund_id is not null
        or refunded_by_payments.order_id is null
    union all
    -- Only the order's status tells of it (no event came): the last change is the moment.
    select
        3 as source_rank,
        'payments' as source_of_truth,
        payments_orders.order_id || ':cancellation' as reversal_id,
        payments_orders.order_id as original_order_id,
        cast(null as string) as customer_id,
        'cancellation' as kind,
        payments_orders.updated_at as reversed_at,
        payments_orders.updated_at as known_at,
        payments_orders.total_cents,
        payments_orders.currency
    from payments_orders
    left join refunded_by_payments
        on payments_orders.order_id = refunded_by_payments.order_id
    where payments_orders.status = 'cancelled' and refunded_by_payments.order_id is null
),

merged as (
    select
        reversal_id,
        min_by(source_of_truth, source_rank) as source_of_truth,
        min_by(kind, source_rank) as kind,
        max(original_order_id) as original_order_id,
        min_by(customer_id, source_rank) filter (where customer_id is not null) as customer_id,
        min_by(reversed_at, source_rank) filter (where reversed_at is not null) as reversed_at,
        min(known_at) as known_at,
        min_by(total_cents, source_rank) filter (where total_cents is not null) as total_cents,
        min_by(currency, source_rank) filter (where currency is not null) as currency
    from claims
    group by reversal_id
),

final as (
    select
        merged.reversal_id,
        sales.order_id as original_order_id,
        coalesce(sales.customer_id, merged.customer_id) as customer_id,
        merged.kind,
        merged.reversed_at,
        merged.known_at,
        -- A cancellation takes back what the books say was sold.
        -abs(
            case
                when
                    merged.kind = 'cancellation'
                    then coalesce(sales.total_cents, merged.total_cents)
                else coalesce(merged.total_cents, sales.total_cents)
            end
        ) as total_cents,
        coalesce(merged.currency, sales.currency) as currency,
        merged.source_of_truth
    from merged
    left join sales
        on merged.original_order_id = sales.order_id
)

select * from final
