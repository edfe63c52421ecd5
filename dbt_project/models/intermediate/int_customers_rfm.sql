with as_of as (
    select * from {{ ref('int_as_of') }}
),

orders as (
    select * from {{ ref('orders') }}
),

buyers as (
    select
        orders.customer_id,
        max(orders.ordered_at) filter (where orders.kind = 'sale') as last_order_at,
        count(*) filter (where orders.kind = 'sale') as count_orders,
        coalesce(sum(orders.revenue_cents), 0) as revenue_cents
    from orders
    cross join as_of
    where orders.customer_id is not null and orders.ordered_at <= as_of.as_of
    group by orders.customer_id
    having count(*) filter (where orders.kind = 'sale') > 0
),

-- Fifths of the buyers, 5 the best. Who is the same in all ways is in the same fifth.
scored as (
    select
        customer_id,
        cast(
            least(floor(percent_rank() over (order by last_order_at asc) * 5), 4) as int
        ) + 1 as rfm_recency,
        cast(
            least(floor(percent_rank() over (order by count_orders asc) * 5), 4) as int
        ) + 1 as rfm_frequency,
        cast(
            least(floor(percent_rank() over (order by revenue_cents asc) * 5), 4) as int
        ) + 1 as rfm_monetary
    from buyers
),

final as (
    select
        customer_id,
        rfm_recency,
        rfm_frequency,
        rfm_monetary,
        case
            when rfm_recency >= 4 and rfm_frequency >= 4 and rfm_monetary >= 4 then 'champions'
            when rfm_recency >= 3 and rfm_frequency >= 4 then 'loyal'
            when rfm_recency >= 4 and rfm_frequency >= 2 then 'potential loyalists'
            when rfm_recency >= 4 then 'new customers'
            when rfm_recency = 3 then 'need attention'
            when rfm_frequency >= 4 and rfm_monetary >= 4 then 'cannot lose them'
            when rfm_frequency >= 3 then 'at risk'
            when rfm_recency = 2 then 'about to sleep'
            else 'lost'
        end as rfm_segment
    from scored
)

select * from final
