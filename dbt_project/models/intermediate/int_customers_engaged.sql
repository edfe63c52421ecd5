-- Mailings are counted as the journey has them: what an event and the tool's record both tell of is
-- one, and what only one of them tells of is there too.
with mailings as (
    select * from {{ ref('customer_journey') }}
    where kind in ('email_sent', 'email_open', 'email_click') and {{ has_happened('occurred_at') }}
),

ratings as (
    select * from {{ ref('stg_support__ratings') }}
    where {{ has_happened('rated_at') }}
),

support_contacts as (
    select * from {{ ref('int_support_contacts_identified') }}
    where kind = 'ticket' and customer_id is not null
),

sessions as (
    select * from {{ ref('sessions') }}
    where {{ has_happened('started_at') }}
),

performance as (
    select * from {{ ref('stg_ads__daily_performance') }}
),

mailed as (
    select
        customer_id,
        count(*) filter (where kind = 'email_sent') as count_email_sends,
        count(*) filter (where kind = 'email_open') as count_email_opens,
        count(*) filter (where kind = 'email_click') as count_email_clicks,
        max(occurred_at) filter (where kind = 'email_sent') as last_email_sent_at
    from mailings
    group by customer_id
),

rated as (
    select
        support_contacts.customer_id,
        avg(cast(ratings.score as double)) as satisfaction_average
    from ratings
    inner join support_contacts
        on ratings.ticket_id = support_contacts.contact_id
    group by support_contacts.customer_id
),

-- What a click cost on that day: of the ad, else of the campaign.
ad_costs as (
    select
        ad_id,
        performance_date,
        sum(spend_cents) / cast(nullif(sum(count_clicks), 0) as double) as click_cents
    from performance
    group by ad_id, performance_date
),

campaign_costs as (
    select
        ad_campaign_id,
        performance_date,
        sum(spend_cents) / cast(nullif(sum(count_clicks), 0) as double) as click_cents
    from performance
    group by ad_campaign_id, performance_date
),

touched as (
    select
        sessions.customer_id,
        count(*) as count_ad_visits,
        cast(round(sum(coalesce(ad_costs.click_cents, campaign_costs.click_cents, 0))) as bigint)
            as ad_spend_touched_cents
    from sessions
    left join ad_costs
        on
            sessions.ad_id = ad_costs.ad_id
            and cast(sessions.started_at as date) = ad_costs.performance_date
    left join campaign_costs
        on
            sessions.ad_campaign_id = campaign_costs.ad_campaign_id
            and cast(sessions.started_at as date) = campaign_costs.performance_date
    where sessions.ad_id is not null or sessions.ad_campaign_id is not null
    group by sessions.customer_id
),

people as (
    select customer_id from mailed
    union
    select customer_id from rated
    union
    select customer_id from touched
),

final as (
    select
        people.customer_id,
        coalesce(mailed.count_email_sends, 0) as count_email_sends,
        coalesce(mailed.count_email_opens, 0) as count_email_opens,
        coalesce(mailed.count_email_clicks, 0) as count_email_clicks,
        mailed.last_email_sent_at,
        rated.satisfaction_average,
        coalesce(touched.count_ad_visits, 0) as count_ad_visits,
        coalesce(touched.ad_spend_touched_cents, 0) as ad_spend_touched_cents
    from people
    left join mailed on people.customer_id = mailed.customer_id
    left join rated on people.customer_id = rated.customer_id
    left join touched on people.customer_id = touched.customer_id
)

select * from final
