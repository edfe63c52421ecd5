-- Grows by person: of those who have other touchpoints than before all are taken anew, whatever the
-- reason: a late record, a merge or split of people, a visit with another channel.
{{ config(
    materialized=growing(), unique_key='customer_id', meta={'follows': [
        'int_event_touchpoints_identified', 'int_tool_touchpoints_identified', 'sessions'
    ]}
) }}

{%- set grown = grows() %}

with events as (
    select * from {{ ref('int_event_touchpoints_identified') }}
    where {{ is_taken('customer_id', grown) }}
),

records as (
    select * from {{ ref('int_tool_touchpoints_identified') }}
    where {{ is_taken('customer_id', grown) }}
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
    from {{ ref('sessions') }}
    where {{ is_taken('customer_id', grown) }}
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
        ad_id,
        session_id,
        title,
        value_cents,
        source,
        source_id
    from records
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
),

final as (
    select
        md5(kind || ':' || source || ':' || source_id) as touchpoint_id,
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
        value_cents,
        source,
        source_id
    from unioned
)

select * from final
