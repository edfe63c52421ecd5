with sessions as (
    select * from {{ ref('int_sessions_landed') }}
),

origins as (
    select * from {{ ref('int_origins_channelled') }}
),

ads as (
    select * from {{ ref('int_ads_tagged') }}
),

-- Tags name one ad: of ads that were tagged alike, the first.
tags as (
    select
        utm_campaign,
        utm_content,
        min(ad_campaign_id) as ad_campaign_id,
        min(ad_id) as ad_id
    from ads
    where utm_campaign is not null
    group by utm_campaign, utm_content
),

campaigns as (
    select
        utm_campaign,
        min(ad_campaign_id) as ad_campaign_id
    from ads
    where utm_campaign is not null
    group by utm_campaign
),

final as (
    select
        sessions.session_id,
        sessions.landing_page,
        sessions.referrer,
        sessions.referrer_host,
        sessions.utm_source,
        sessions.utm_medium,
        sessions.utm_campaign,
        sessions.utm_content,
        sessions.click_id_name,
        sessions.click_id,
        origins.channel,
        origins.channel_rule,
        coalesce(tags.ad_campaign_id, campaigns.ad_campaign_id) as ad_campaign_id,
        tags.ad_id
    from sessions
    inner join origins
        on
            lower(sessions.utm_source) is not distinct from origins.utm_source
            and lower(sessions.utm_medium) is not distinct from origins.utm_medium
            and sessions.click_id_name is not distinct from origins.click_id_name
            and sessions.referrer_host is not distinct from origins.referrer_host
    left join tags
        on sessions.utm_campaign = tags.utm_campaign and sessions.utm_content = tags.utm_content
    left join campaigns
        on sessions.utm_campaign = campaigns.utm_campaign
)

select * from final
