-- Which pages do qualified leads look at who bought more than 5 times in the last year?
-- One row per page, the most viewed first:
-- dbt show --select top_pageviews_of_qualified_leads --limit 20
with as_of as (
    select * from {{ ref('int_as_of') }}
),

leads as (
    select * from {{ ref('qualified_leads') }}
),

orders as (
    select * from {{ ref('orders') }}
),

events as (
    select * from {{ ref('int_events_identified') }}
),

pages as (
    select * from {{ ref('stg_events__pages') }}
),

buyers as (
    select
        leads.customer_id,
        count(*) as count_orders
    from leads
    inner join orders on leads.customer_id = orders.customer_id
    cross join as_of
    where
        orders.kind = 'sale'
        and orders.ordered_at >= as_of.as_of - interval '365 days'
        and orders.ordered_at < as_of.as_of
    group by leads.customer_id
    having count(*) > 5
),

views as (
    select
        events.customer_id,
        coalesce(pages.page_path, pages.page_name, 'not named') as page
    from pages
    inner join events
        on pages.source = events.source and pages.message_id = events.message_id
    inner join buyers on events.customer_id = buyers.customer_id
    cross join as_of
    where
        pages.type = 'page'
        and events.occurred_at >= as_of.as_of - interval '365 days'
        and events.occurred_at < as_of.as_of
),

final as (
    select
        page,
        count(*) as count_views,
        count(distinct customer_id) as count_people
    from views
    group by page
)

select *
from final
order by count_views desc, count_people desc, page asc
