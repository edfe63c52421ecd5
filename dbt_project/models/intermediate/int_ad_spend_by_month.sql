with performance as (
    select * from {{ ref('stg_ads__daily_performance') }}
),

ads as (
    select * from {{ ref('int_ads_tagged') }}
),

final as (
    select
        cast(date_trunc('month', performance.performance_date) as date) as month,
        coalesce(ads.channel, 'other') as channel,
        coalesce(ads.utm_campaign, ads.campaign_name, performance.ad_campaign_id) as campaign,
        coalesce(performance.ad_id, '(none)') as ad_id,
        cast(sum(performance.spend_cents) as bigint) as spend_cents,
        cast(sum(performance.count_clicks) as bigint) as clicks,
        cast(sum(performance.count_impressions) as bigint) as impressions
    from performance
    left join ads
        on performance.ad_id = ads.ad_id
    where {{ in_company_currency('performance.currency') }}
    group by 1, 2, 3, 4
)

select * from final
