with as_of as (
    select * from {{ ref('int_as_of') }}
),

orders as (
    select * from {{ ref('orders') }}
),

customers as (
    select * from {{ ref('customer_360') }}
),

people as (
    select
        customers.customer_id,
        coalesce(customers.customer_type, 'not known') as customer_type,
        coalesce(customers.country, 'not known') as country,
        case
            when customers.birth_date is null then 'not known'
            when {{ whole_years('customers.birth_date', 'as_of.as_of') }} < 25 then 'under 25'
            when {{ whole_years('customers.birth_date', 'as_of.as_of') }} < 35 then '25 to 34'
            when {{ whole_years('customers.birth_date', 'as_of.as_of') }} < 45 then '35 to 44'
            when {{ whole_years('customers.birth_date', 'as_of.as_of') }} < 55 then '45 to 54'
            else '55 and over'
        end as age_group
    from customers
    cross join as_of
),

sales as (
    select
        orders.order_id,
        orders.customer_id,
        orders.coupon_code,
        orders.revenue_cents,
        case when {{ in_company_currency('orders.currency') }} then orders.discount_cents end
            as discount_cents,
        case when {{ in_company_currency('orders.currency') }} then orders.refunded_cents end
            as refunded_cents,
        orders.margin_cents,
        coalesce(people.customer_type, 'not known') as customer_type,
        coalesce(people.country, 'not known') as country,
        coalesce(people.age_group, 'not known') as age_group
    from orders
    cross join as_of
    left join people on orders.customer_id = people.customer_id
    where orders.kind = 'sale' and orders.ordered_at <= as_of.as_of
),

segmented as (
    select
        'everybody' as segment_kind,
        'everybody' as segment,
        sales.*
    from sales
    union all
    select
        'age_group' as segment_kind,
        age_group as segment,
        sales.*
    from sales
    union all
    select
        'country' as segment_kind,
        country as segment,
        sales.*
    from sales
),

grouped as (
    select
        segment_kind,
        segment,
        customer_type,
        coalesce(coupon_code, 'none') as coupon_code,
        count(*) as count_orders,
        count(distinct customer_id) as count_customers,
        cast(sum(revenue_cents) as bigint) as sales_cents,
        cast(sum(discount_cents) as bigint) as discount_cents,
        cast(sum(refunded_cents) as bigint) as refunded_cents,
        cast(sum(margin_cents) as bigint) as margin_cents,
        cast(sum(case when margin_cents is not null then revenue_cents end) as bigint)
            as sales_with_cost_cents
    from segmented
    group by segment_kind, segment, customer_type, coalesce(coupon_code, 'none')
),

final as (
    select
        segment_kind,
        segment,
        customer_type,
        coupon_code,
        coupon_code <> 'none' as has_coupon,
        count_orders,
        cast(count_orders as double)
        / sum(count_orders) over (partition by segment_kind, segment, customer_type)
            as share_of_orders,
        count_customers,
        sales_cents,
        discount_cents,
        refunded_cents,
        margin_cents,
        sales_with_cost_cents,
        cast(margin_cents as double) / nullif(sales_with_cost_cents, 0) as margin_rate
    from grouped
)

select * from final
