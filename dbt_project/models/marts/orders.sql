with documents as (
    select * from {{ ref('int_orders_unioned') }}
),

reversals as (
    select
        original_order_id,
        ordered_at,
        -total_cents as reversed_cents,
        -sum(total_cents) over (
            partition by original_order_id
            order by ordered_at nulls last, order_id
            rows between unbounded preceding and current row
        ) as reversed_so_far_cents
    from documents
    where kind in ('cancellation', 'refund') and original_order_id is not null
),

-- Given back in whole: the sums say so, or the payment tool does (a rounding cent may stay behind).
reversed as (
    select
        sales.order_id,
        cast(sum(reversals.reversed_cents) as bigint) as refunded_cents,
        coalesce(
            min(reversals.ordered_at) filter (
                where sales.total_cents > 0
                and reversals.reversed_so_far_cents >= sales.total_cents
            ),
            max(reversals.ordered_at) filter (
                where sales.total_cents > 0 and sales.payment_status in ('cancelled', 'refunded')
            )
        ) as fully_refunded_at
    from reversals
    inner join documents as sales
        on reversals.original_order_id = sales.order_id and sales.kind = 'sale'
    group by sales.order_id
),

final as (
    select
        documents.order_id,
        documents.original_order_id,
        documents.customer_id,
        documents.kind,
        documents.ordered_at,
        documents.known_at,
        documents.total_cents,
        coalesce(reversed.refunded_cents, 0) as refunded_cents,
        documents.currency,
        documents.coupon_code,
        documents.kind = 'sale' and coalesce(documents.total_cents, 1) = 0 as is_zero_total,
        reversed.fully_refunded_at,
        documents.source_of_truth
    from documents
    left join reversed
        on documents.order_id = reversed.order_id
)

select * from final
