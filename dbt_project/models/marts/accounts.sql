with accounts as (
    select * from {{ ref('stg_crm__accounts') }}
),

members as (
    select * from {{ ref('int_account_members') }}
    where is_current
),

opportunities as (
    select * from {{ ref('int_opportunities_current') }}
),

orders as (
    select * from {{ ref('orders') }}
    where {{ has_happened('ordered_at') }}
),

people as (
    select
        account_id,
        count(*) as count_people
    from members
    group by account_id
),

deals as (
    select
        account_id,
        count(*) as count_opportunities,
        count(*) filter (where is_open) as count_opportunities_open,
        sum(amount_cents) filter (where is_open) as open_amount_cents,
        count(*) filter (where is_won) as count_opportunities_won,
        sum(amount_cents) filter (where is_won) as won_amount_cents,
        max(case when is_open and risk_status = 'high' then 1 else 0 end) = 1 as is_at_risk
    from opportunities
    group by account_id
),

sales as (
    select
        members.account_id,
        count(*) filter (where orders.kind = 'sale') as count_orders,
        sum(orders.revenue_cents) as revenue_cents,
        max(orders.ordered_at) filter (where orders.kind = 'sale') as last_order_at
    from orders
    inner join members
        on orders.customer_id = members.customer_id
    group by members.account_id
),

final as (
    select
        accounts.account_id,
        accounts.account_name,
        accounts.account_type,
        accounts.industry,
        accounts.account_manager,
        coalesce(people.count_people, 0) as count_people,
        coalesce(deals.count_opportunities, 0) as count_opportunities,
        coalesce(deals.count_opportunities_open, 0) as count_opportunities_open,
        cast(coalesce(deals.open_amount_cents, 0) as bigint) as open_amount_cents,
        coalesce(deals.count_opportunities_won, 0) as count_opportunities_won,
        cast(coalesce(deals.won_amount_cents, 0) as bigint) as won_amount_cents,
        coalesce(deals.is_at_risk, false) as is_at_risk,
        coalesce(sales.count_orders, 0) as count_orders,
        cast(sales.revenue_cents as bigint) as revenue_cents,
        sales.last_order_at,
        accounts.created_at
    from accounts
    left join people
        on accounts.account_id = people.account_id
    left join deals
        on accounts.account_id = deals.account_id
    left join sales
        on accounts.account_id = sales.account_id
)

select * from final
