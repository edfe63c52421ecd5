with events as (
    select * from {{ ref('int_event_touchpoints_identified') }}
),

tools as (
    select * from {{ ref('int_tool_touchpoints_identified') }}
),

sessions as (
    select * from {{ ref('sessions') }}
),

orders as (
    select * from {{ ref('orders') }}
),

-- The visit in which an order was placed.
order_visits as (
    select
        told.order_id,
        sessioned.session_id
    from {{ ref('stg_events__orders_completed') }} as told
    inner join {{ ref('int_events_sessioned') }} as sessioned
        on told.source = sessioned.source and told.message_id = sessioned.message_id
),

visits as (
    select
        session_id,
        customer_id,
        started_at,
        known_at,
        platform,
        channel,
        utm_campaign,
        ad_id,
        landing_page,
        coalesce(click_id, ad_id) is not null
        and channel in ('paid_search', 'paid_social', 'display', 'affiliate') as is_ad_click
    from sessions
),

unioned as (
    select
        customer_id,
        occurred_at,
        known_at,
        system,
        kind,
        channel,
        campaign,
        ad_id,
        session_id,
        title,
        cast(null as bigint) as value_cents,
        source,
        source_id
    from events
    union all
    select
        customer_id,
        occurred_at,
        known_at,
        system,
        kind,
        channel,
        campaign,
        cast(null as string) as ad_id,
        cast(null as string) as session_id,
        title,
        value_cents,
        source,
        source_id
    from tools
    union all
    select
        customer_id,
        started_at as occurred_at,
        known_at,
        platform as system,
        'visit' as kind,
        channel,
        utm_campaign as campaign,
        ad_id,
        session_id,
        landing_page as title,
        cast(null as bigint) as value_cents,
        'sessions' as source,
        session_id as source_id
    from visits
    union all
    select
        customer_id,
        started_at as occurred_at,
        known_at,
        'ads' as system,
        'ad_click' as kind,
        channel,
        utm_campaign as campaign,
        ad_id,
        session_id,
        utm_campaign as title,
        cast(null as bigint) as value_cents,
        'sessions' as source,
        session_id as source_id
    from visits
    where is_ad_click
    union all
    select
        orders.customer_id,
        orders.ordered_at as occurred_at,
        orders.known_at,
        'orders' as system,
        case orders.kind when 'sale' then 'purchase' else orders.kind end as kind,
        visits.channel,
        visits.utm_campaign as campaign,
        visits.ad_id,
        visits.session_id,
        orders.order_id as title,
        orders.total_cents as value_cents,
        'orders' as source,
        orders.order_id as source_id
    from orders
    left join order_visits
        on orders.order_id = order_visits.order_id and orders.kind = 'sale'
    left join visits
        on order_visits.session_id = visits.session_id
    where orders.customer_id is not null and orders.ordered_at is not null
),

final as (
    select
        md5(kind || ':' || source || ':' || source_id) as touchpoint_id,
        *
    from unioned
)

select * from final
