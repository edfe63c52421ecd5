with mailings as (
    select * from {{ ref('stg_email__campaigns') }}
),

sends as (
    select * from {{ ref('stg_email__sends') }}
),

ad_campaigns as (
    select * from {{ ref('stg_ads__campaigns') }}
),

performance as (
    select * from {{ ref('stg_ads__daily_performance') }}
),

mailed as (
    select
        email_campaign_id,
        count(*) as count_sends,
        count(opened_at) as count_opens,
        count(clicked_at) as count_clicks
    from sends
    group by email_campaign_id
),

spent as (
    select
        ad_campaign_id,
        min(performance_date) as first_day,
        sum(spend_cents) as spend_cents,
        max(currency) as currency,
        sum(count_impressions) as count_impressions,
        sum(count_clicks) as count_clicks
    from performance
    group by ad_campaign_id
),

final as (
    select
        'email:' || mailings.email_campaign_id as campaign_id,
        'email' as tool,
        mailings.email_campaign_id as source_campaign_id,
        'email' as platform,
        mailings.campaign_name,
        cast(null as string) as utm_source,
        cast(null as string) as utm_medium,
        cast(null as string) as utm_campaign,
        mailings.coupon_code,
        mailings.sent_at as started_at,
        coalesce(mailed.count_sends, 0) as count_sends,
        coalesce(mailed.count_opens, 0) as count_opens,
        cast(null as bigint) as count_impressions,
        coalesce(mailed.count_clicks, 0) as count_clicks,
        cast(0 as bigint) as spend_cents,
        cast(null as string) as currency
    from mailings
    left join mailed
        on mailings.email_campaign_id = mailed.email_campaign_id
    union all
    select
        'ads:' || ad_campaigns.ad_campaign_id as campaign_id,
        'ads' as tool,
        ad_campaigns.ad_campaign_id as source_campaign_id,
        ad_campaigns.platform,
        ad_campaigns.campaign_name,
        ad_campaigns.utm_source,
        ad_campaigns.utm_medium,
        ad_campaigns.utm_campaign,
        cast(null as string) as coupon_code,
        coalesce(ad_campaigns.created_at, cast(spent.first_day as timestamp)) as started_at,
        cast(null as bigint) as count_sends,
        cast(null as bigint) as count_opens,
        cast(coalesce(spent.count_impressions, 0) as bigint) as count_impressions,
        cast(coalesce(spent.count_clicks, 0) as bigint) as count_clicks,
        cast(coalesce(spent.spend_cents, 0) as bigint) as spend_cents,
        spent.currency
    from ad_campaigns
    left join spent
        on ad_campaigns.ad_campaign_id = spent.ad_campaign_id
)

select * from final
