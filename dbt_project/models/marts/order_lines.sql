with lines as (
    select * from {{ ref('int_order_lines_unioned') }}
),

orders as (
    select * from {{ ref('int_orders_unioned') }}
),

products as (
    select * from {{ ref('int_products_categorised') }}
),

coupons as (
    select * from {{ ref('stg_payments__coupons') }}
),

-- A code may come back another year: what counts is the coupon that could be used when the order
-- was placed, the latest where several could.
redeemed as (
    select
        orders.order_id,
        coupons.percent_off,
        coupons.amount_off_cents
    from orders
    inner join coupons
        on
            orders.coupon_code = coupons.coupon_code
            and (coupons.valid_from is null or orders.ordered_at >= coupons.valid_from)
            and (coupons.valid_until is null or orders.ordered_at < coupons.valid_until)
    qualify
        row_number() over (
            partition by orders.order_id
            order by
                coupons.valid_from desc nulls last,
                coupons.updated_at desc nulls last,
                coupons.coupon_id asc
        ) = 1
),

priced as (
    select
        lines.*,
        lines.quantity * lines.unit_price_cents as amount_cents,
        orders.coupon_code,
        orders.discount_cents as order_discount_cents,
        redeemed.percent_off,
        redeemed.amount_off_cents,
        products.unit_cost_cents
    from lines
    inner join orders
        on lines.order_id = orders.order_id
    left join products
        on lines.product_id = products.product_id
    left join redeemed
        on lines.order_id = redeemed.order_id
),

summed as (
    select
        *,
        cast(sum(amount_cents) over (partition by order_id) as bigint) as goods_cents,
        cast(sum(amount_cents) over (
            partition by order_id
            order by line_no asc
            rows between unbounded preceding and current row
        ) as bigint) as goods_so_far_cents
    from priced
),

-- What the coupon took off the order: as a source says, else by the coupon's own terms.
discounted as (
    select
        *,
        coalesce(
            order_discount_cents,
            cast(floor(cast(goods_cents * percent_off as double) / 100) as bigint),
            case when amount_off_cents is not null then least(amount_off_cents, goods_cents) end,
            0
        ) as discount_to_share_cents
    from summed
),

-- Shared by amount, rounded on the running sum: the lines' discounts add up to the order's.
shared as (
    select
        *,
        case
            when goods_cents > 0
                then
                    cast(
                        round(
                            discount_to_share_cents * cast(goods_so_far_cents as double)
                            / goods_cents
                        ) as bigint
                    )
                    - cast(
                        round(
                            discount_to_share_cents
                            * cast(goods_so_far_cents - amount_cents as double)
                            / goods_cents
                        ) as bigint
                    )
            else 0
        end as discount_cents
    from discounted
),

final as (
    select
        order_id,
        line_no,
        customer_id,
        kind,
        ordered_at,
        product_id,
        product_name,
        category,
        quantity,
        unit_price_cents,
        amount_cents,
        coupon_code,
        discount_cents,
        amount_cents - discount_cents as net_cents,
        unit_cost_cents,
        quantity * unit_cost_cents as cost_cents,
        amount_cents - discount_cents - quantity * unit_cost_cents as margin_cents
    from shared
)

select * from final
