-- What the tags of a visit lead back to: one ad, and its campaign, for each set of tags.
with campaigns as (
    select * from {{ ref('stg_ads__campaigns') }}
),

ads as (
    select * from {{ ref('stg_ads__ads') }}
),

origins as (
    select * from {{ ref('int_origins_channelled') }}
),

final as (
    select
        coalesce(ads.ad_id, campaigns.ad_campaign_id) as tagged_id,
        ads.ad_id,
        ads.ad_name,
        ads.utm_content,
        campaigns.ad_campaign_id,
        campaigns.campaign_name,
        campaigns.platform,
        campaigns.utm_source,
        campaigns.utm_medium,
        campaigns.utm_campaign,
        origins.channel
    from campaigns
    left join ads
        on campaigns.ad_campaign_id = ads.ad_campaign_id
    left join origins
        on
            lower(campaigns.utm_source) is not distinct from origins.utm_source
            and lower(campaigns.utm_medium) is not distinct from origins.utm_medium
            and origins.click_id_name is null
            and origins.referrer_host is null
)

select * from final
