with documents as (
    select * from {{ ref('int_orders_unioned') }}
),

reversed as (
    select
        original_order_id,
        -sum(total_cents) as refunded_cents
    from documents
    where kind in ('cancellation', 'refund') and original_order_id is not null
    group by original_order_id
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
        coalesce(case when documents.kind = 'sale' then reversed.refunded_cents end, 0) as refunded_cents,
        documents.currency,
        documents.coupon_code,
        documents.kind = 'sale' and coalesce(documents.total_cents, 1) = 0 as is_zero_total,
        coalesce(
            documents.kind = 'sale'
            and documents.total_cents > 0
            and reversed.refunded_cents >= documents.total_cents, false
        ) as is_fully_refunded,
        documents.source_of_truth
    from documents
    left join reversed
        on documents.order_id = reversed.original_order_id
)

select * from final
