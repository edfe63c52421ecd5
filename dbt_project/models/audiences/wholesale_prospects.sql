with as_of as (
    select * from {{ ref('int_as_of') }}
),

orders as (
    select * from {{ ref('orders') }}
    where {{ has_happened('ordered_at') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

contacts as (
    select * from {{ ref('stg_crm__contacts') }}
),

accounts as (
    select * from {{ ref('stg_crm__accounts') }}
),

opportunities as (
    select * from {{ ref('int_opportunities_current') }}
    where is_open
),

buyers as (
    select
        orders.customer_id,
        count(*) as count_orders,
        cast(sum(orders.revenue_cents) as bigint) as sales_cents,
        max(orders.ordered_at) as last_order_at
    from orders
    where orders.kind = 'sale' and orders.customer_id is not null
    group by orders.customer_id
    having count(*) >= {{ company_var('wholesale_prospect_min_orders') }}
),

people_of_accounts as (
    select
        identifiers.customer_id,
        contacts.account_id
    from contacts
    inner join identifiers
        on contacts.crm_id = identifiers.id_value and identifiers.id_type = 'crm_id'
),

-- An order of somebody whose account buys wholesale is a wholesale order, whoever took it.
wholesalers as (
    select distinct people_of_accounts.customer_id
    from people_of_accounts
    inner join accounts on people_of_accounts.account_id = accounts.account_id
    where accounts.account_type = 'wholesale'
),

-- Deals of the person or of the person's account.
in_negotiation as (
    select customer_id
    from opportunities
    where customer_id is not null
    union
    select people_of_accounts.customer_id
    from people_of_accounts
    inner join opportunities on people_of_accounts.account_id = opportunities.account_id
),

final as (
    select
        buyers.customer_id,
        buyers.count_orders,
        buyers.sales_cents,
        buyers.last_order_at,
        as_of.as_of
    from buyers
    cross join as_of
    left join wholesalers on buyers.customer_id = wholesalers.customer_id
    left join in_negotiation on buyers.customer_id = in_negotiation.customer_id
    where wholesalers.customer_id is null and in_negotiation.customer_id is null
)

select * from final
