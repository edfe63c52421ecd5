with customers as (
    select * from {{ ref('customer_360') }}
),

orders as (
    select * from {{ ref('orders') }}
    where {{ has_happened('ordered_at') }}
),

order_lines as (
    select * from {{ ref('order_lines') }}
    where {{ has_happened('ordered_at') }}
),

sessions as (
    select * from {{ ref('sessions') }}
    where {{ has_happened('started_at') }}
),

leads as (
    select * from {{ ref('stg_crm__leads') }}
    where {{ has_happened('created_at') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

support as (
    select * from {{ ref('int_support_summarised') }}
),

bought as (
    select
        customer_id,
        category,
        sum(coalesce(quantity, 1)) as count_bought
    from order_lines
    where customer_id is not null and kind = 'sale' and category is not null
    group by customer_id, category
),

categories as (
    select
        customer_id,
        category as favourite_category
    from bought
    qualify
        row_number() over (
            partition by customer_id order by count_bought desc nulls last, category asc
        ) = 1
),

baskets as (
    select
        order_id,
        sum(quantity) as count_items
    from order_lines
    group by order_id
),

order_traits as (
    select
        orders.customer_id,
        avg(baskets.count_items) as average_basket_items,
        avg(cast(case when orders.coupon_code is null then 0 else 1 end as double))
            as coupon_rate
    from orders
    left join baskets on orders.order_id = baskets.order_id
    where orders.kind = 'sale' and orders.customer_id is not null
    group by orders.customer_id
),

last_year as (
    select
        orders.customer_id,
        count(*) filter (where orders.kind = 'sale') as count_orders_365d,
        cast(sum(orders.revenue_cents) as bigint) as revenue_365d_cents
    from orders
    inner join customers on orders.customer_id = customers.customer_id
    where orders.ordered_at >= customers.as_of - interval '365 days'
    group by orders.customer_id
),

visited as (
    select
        customer_id,
        platform,
        count(*) as count_visits
    from sessions
    group by customer_id, platform
),

platforms as (
    select
        customer_id,
        platform as preferred_platform
    from visited
    qualify
        row_number() over (
            partition by customer_id order by count_visits desc nulls last, platform asc
        ) = 1
),

qualified_leads as (
    select
        identifiers.customer_id,
        max(case when leads.is_qualified then 1 else 0 end) as is_qualified
    from leads
    inner join identifiers
        on leads.email = identifiers.id_value and identifiers.id_type = 'email'
    group by identifiers.customer_id
),

final as (
    select
        customers.customer_id,
        categories.favourite_category,
        platforms.preferred_platform,
        {{ days_between('customers.last_order_at', 'customers.as_of') }} as days_since_last_order,
        {{ days_between('customers.last_session_at', 'customers.as_of') }}
            as days_since_last_session,
        cast(order_traits.average_basket_items as double) as average_basket_items,
        cast(order_traits.coupon_rate as double) as coupon_rate,
        coalesce(last_year.count_orders_365d, 0) as count_orders_365d,
        last_year.revenue_365d_cents,
        coalesce(support.count_support_contacts_90d, 0) as count_support_contacts_90d,
        case
            when coalesce(support.count_support_contacts_90d, 0) = 0 then 'none'
            when support.count_support_contacts_90d <= 2 then 'some'
            else 'heavy'
        end as support_load,
        coalesce(qualified_leads.is_qualified, 0) = 1 as is_lead_qualified,
        customers.count_orders >= 2 as is_repeat_buyer
    from customers
    left join categories on customers.customer_id = categories.customer_id
    left join platforms on customers.customer_id = platforms.customer_id
    left join order_traits on customers.customer_id = order_traits.customer_id
    left join last_year on customers.customer_id = last_year.customer_id
    left join support on customers.customer_id = support.customer_id
    left join qualified_leads on customers.customer_id = qualified_leads.customer_id
)

select * from final
