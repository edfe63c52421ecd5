with sales as (
    select * from {{ ref('int_sales_unioned') }}
),

reversals as (
    select * from {{ ref('int_reversals_unioned') }}
),

documents as (
    select
        1 as source_rank,
        order_id,
        cast(null as string) as original_order_id,
        customer_id,
        kind,
        ordered_at,
        known_at,
        case when kind in ('cancellation', 'refund') then -abs(total_cents) else total_cents end
            as total_cents,
        currency,
        coupon_code,
        discount_cents,
        payment_status,
        source_of_truth
    from sales
    union all
    select
        2 as source_rank,
        reversal_id as order_id,
        original_order_id,
        customer_id,
        kind,
        reversed_at as ordered_at,
        known_at,
        total_cents,
        currency,
        cast(null as string) as coupon_code,
        cast(null as bigint) as discount_cents,
        cast(null as string) as payment_status,
        source_of_truth
    from reversals
),

-- A cancellation with a number of its own may be in the company's tables and in the events.
final as (
    select
        order_id,
        min_by(original_order_id, source_rank) filter (where original_order_id is not null)
            as original_order_id,
        min_by(customer_id, source_rank) filter (where customer_id is not null) as customer_id,
        min_by(kind, source_rank) as kind,
        min_by(ordered_at, source_rank) filter (where ordered_at is not null) as ordered_at,
        min(known_at) as known_at,
        min_by(total_cents, source_rank) filter (where total_cents is not null) as total_cents,
        min_by(currency, source_rank) filter (where currency is not null) as currency,
        max(coupon_code) as coupon_code,
        max(discount_cents) as discount_cents,
        max(payment_status) as payment_status,
        min_by(source_of_truth, source_rank) as source_of_truth
    from documents
    group by order_id
)

select * from final
