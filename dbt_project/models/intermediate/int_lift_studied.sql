-- What ad platforms' lift studies have told so far. A period counts when users of both groups are
-- reported, in two buckets at least: one alone does not tell how sure it is.
with results as (
    select * from {{ ref('stg_ads__lift_results') }}
),

ads as (
    select * from {{ ref('int_ads_tagged') }}
),

as_of as (
    select * from {{ ref('int_as_of') }}
),

campaigns as (
    select distinct
        ad_campaign_id,
        coalesce(channel, 'other') as channel,
        coalesce(utm_campaign, campaign_name, ad_campaign_id) as campaign
    from ads
),

told as (
    select
        results.ad_campaign_id,
        results.first_date,
        results.last_date,
        results.user_bucket,
        case when results.study_group = 'test' then results.count_users end as users_test,
        case when results.study_group = 'test' then results.count_orders end as orders_test,
        case when results.study_group = 'control' then results.count_users end as users_control,
        case when results.study_group = 'control' then results.count_orders end as orders_control
    from results
    cross join as_of
    where results.updated_at <= as_of.as_of
),

complete as (
    select
        ad_campaign_id,
        first_date
    from told
    group by ad_campaign_id, first_date
    having
        sum(users_test) > 0
        and sum(users_control) > 0
        and count(distinct user_bucket) > 1
),

final as (
    select
        campaigns.channel,
        campaigns.campaign,
        told.ad_campaign_id,
        told.first_date,
        told.user_bucket,
        max(told.last_date) as last_date,
        cast(coalesce(sum(told.users_test), 0) as bigint) as users_test,
        cast(coalesce(sum(told.orders_test), 0) as bigint) as orders_test,
        cast(coalesce(sum(told.users_control), 0) as bigint) as users_control,
        cast(coalesce(sum(told.orders_control), 0) as bigint) as orders_control
    from told
    inner join complete
        on
            told.ad_campaign_id = complete.ad_campaign_id
            and told.first_date = complete.first_date
    inner join campaigns
        on told.ad_campaign_id = campaigns.ad_campaign_id
    group by
        campaigns.channel,
        campaigns.campaign,
        told.ad_campaign_id,
        told.first_date,
        told.user_bucket
)

select * from final
