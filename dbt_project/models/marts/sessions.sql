-- Worked out whole; only the visits of those for whom something differs are written, and told.
{{ config(
    materialized=growing(), unique_key='customer_id', on_schema_change='append_new_columns',
    meta={'compares': true}
) }}

with events as (
    select * from {{ ref('int_events_sessioned') }}
),

channelled as (
    select * from {{ ref('int_sessions_channelled') }}
),

grouped as (
    select
        session_id,
        customer_id,
        platform,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        min(known_at) filter (where is_first) as known_at,
        count(*) as count_events,
        count(*) filter (where type in ('page', 'screen')) as count_pages,
        count(*) filter (where event_name = 'Order Completed') as count_orders
    from events
    group by session_id, customer_id, platform
),

final as (
    select
        grouped.session_id,
        grouped.customer_id,
        grouped.platform,
        grouped.started_at,
        grouped.ended_at,
        grouped.known_at,
        {{ seconds_between('grouped.started_at', 'grouped.ended_at') }} as duration_seconds,
        grouped.count_events,
        grouped.count_pages,
        grouped.count_orders,
        channelled.landing_page,
        channelled.referrer,
        channelled.utm_source,
        channelled.utm_medium,
        channelled.utm_campaign,
        channelled.utm_content,
        channelled.click_id_name,
        channelled.click_id,
        channelled.channel,
        channelled.channel_rule,
        channelled.ad_campaign_id,
        channelled.ad_id
    from grouped
    inner join channelled
        on grouped.session_id = channelled.session_id
)

select * from final
