with documents as (
    select * from {{ ref('int_orders_unioned') }}
),

lines as (
    select * from {{ ref('order_lines') }}
),

-- One piece without a known cost, and the order's cost is not known.
costs as (
    select
        order_id,
        cast(sum(discount_cents) as bigint) as discount_cents,
        cast(case when count(*) = count(cost_cents) then sum(cost_cents) end as bigint)
            as cost_cents
    from lines
    group by order_id
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
        documents.source_of_truth,
        coalesce(costs.discount_cents, documents.discount_cents, 0) as discount_cents,
        costs.cost_cents,
        case
            -- costs are in the company's currency
            when not {{ in_company_currency('documents.currency') }} then null
            -- a sale of unknown cost stands in no margin, and nor does what was given back of it
            when
                documents.kind = 'refund'
                and sales.order_id is not null
                and originals.cost_cents is null
                then null
            -- sent out again or not: what is given back is gone, and what it cost is too
            when documents.kind in ('refund', 'adjustment') then documents.total_cents
            -- never sent out: its cost comes back with it
            when documents.kind = 'cancellation'
                then documents.total_cents + coalesce(originals.cost_cents, -costs.cost_cents)
            else documents.total_cents - costs.cost_cents
        end as margin_cents,
        case when {{ in_company_currency('documents.currency') }} then documents.total_cents end
            as revenue_cents
    from documents
    left join reversed
        on documents.order_id = reversed.order_id
    left join costs
        on documents.order_id = costs.order_id
    left join costs as originals
        on documents.original_order_id = originals.order_id
    left join documents as sales
        on documents.original_order_id = sales.order_id and sales.kind = 'sale'
)

select * from final
