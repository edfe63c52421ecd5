-- What people order after they were reached, beside people like them who were not. Two comparisons:
-- visits by an ad against visits that nobody paid for, of people at the same point (which of their
-- visits, orders so far, days since the visit before, whether an ad led to an earlier one), by what
-- is ordered in the days after; and
-- people who got a mailing against buyers who did not, by orders in the days after less what six
-- times as many days before say is usual for them.
-- Visits with an order in them are not compared, on both sides: whether an ad brought that visit,
-- none can see. Their orders are counted apart, for the upper bound.
-- Of a campaign that a lift study tells of (`int_lift_studied`), the study decides: nothing is
-- compared, what the study covers is left to it, and the orders of other days' visits are in the
-- upper bound. So are those of visits that tell no campaign, while their channel has one under
-- study.
{%- set by_ad = "('paid_search', 'paid_social', 'display', 'affiliate')" %}
{%- set days_before = company_var("lift_mailing_days") * 6 %}

with sessions as (
    select * from {{ ref('sessions') }}
),

conversions as (
    select * from {{ ref('int_conversions') }}
),

journey as (
    select * from {{ ref('customer_journey') }}
),

as_of as (
    select * from {{ ref('int_as_of') }}
),

studied as (
    select * from {{ ref('int_lift_studied') }}
),

covered as (
    select distinct
        channel,
        campaign,
        first_date,
        last_date
    from studied
),

decided as (
    select
        channel,
        campaign
    from studied
    union
    select
        channel,
        '(none)' as campaign
    from studied
),

visits as (
    select
        session_id,
        customer_id,
        started_at,
        ended_at,
        channel,
        coalesce(utm_campaign, '(none)') as campaign,
        row_number() over (
            partition by customer_id order by started_at, session_id
        ) as visit_number,
        lag(started_at) over (
            partition by customer_id order by started_at, session_id
        ) as visited_before_at,
        coalesce(max(case when channel in {{ by_ad }} then 1 else 0 end) over (
            partition by customer_id order by started_at, session_id
            rows between unbounded preceding and 1 preceding
        ), 0) as was_reached_before
    from sessions
),

ordered_around as (
    select
        visits.session_id,
        count(*) filter (
            where conversions.session_id is not distinct from visits.session_id
            or (
                conversions.converted_at >= visits.started_at
                and conversions.converted_at <= visits.ended_at
            )
        ) as count_in_visit,
        count(*) filter (
            where conversions.session_id = visits.session_id
            or (
                conversions.session_id is null
                and conversions.converted_at >= visits.started_at
                and conversions.converted_at <= visits.ended_at
            )
        ) as count_own,
        count(*) filter (where conversions.converted_at < visits.started_at) as count_before,
        count(*) filter (
            where conversions.converted_at > visits.ended_at
            and conversions.converted_at
            <= visits.ended_at + interval '{{ company_var("lift_visit_days") }} days'
        ) as count_after
    from visits
    inner join conversions
        on visits.customer_id = conversions.customer_id
    group by visits.session_id
),

visit_outcomes as (
    select
        'visit' as comparison,
        visits.channel,
        visits.campaign,
        visits.customer_id,
        visits.channel in {{ by_ad }} as is_reached,
        least(visits.visit_number, 3) || '|'
        || case
            when coalesce(ordered_around.count_before, 0) = 0 then '0'
            when ordered_around.count_before < 3 then '1'
            when ordered_around.count_before < 8 then '3'
            else '8'
        end
        || '|'
        || case
            when visits.visited_before_at is null then 'none'
            when visits.started_at < visits.visited_before_at + interval '2 days' then '0'
            when visits.started_at < visits.visited_before_at + interval '7 days' then '2'
            when visits.started_at < visits.visited_before_at + interval '21 days' then '7'
            else '21'
        end
        || '|'
        || case when visits.was_reached_before = 1 then 'ad' else 'none' end as stratum,
        cast(coalesce(ordered_around.count_after, 0) as double) as outcome,
        coalesce(ordered_around.count_own, 0) as open_orders,
        coalesce(ordered_around.count_in_visit, 0) = 0
        and visits.ended_at
        <= as_of.as_of - interval '{{ company_var("lift_visit_days") }} days'
        and decided.channel is null as is_compared
    from visits
    cross join as_of
    left join ordered_around
        on visits.session_id = ordered_around.session_id
    left join decided
        on visits.channel = decided.channel and visits.campaign = decided.campaign
    left join covered
        on
            visits.channel = covered.channel
            and visits.campaign = covered.campaign
            and cast(visits.started_at as date) between covered.first_date and covered.last_date
    where
        (
            visits.channel in {{ by_ad }}
            or visits.channel in ('direct', 'organic_search', 'referral')
        )
        and covered.channel is null
),

sent as (
    select distinct
        customer_id,
        campaign
    from journey
    where kind = 'email_sent' and campaign is not null
),

mailings as (
    select
        journey.campaign,
        min(journey.occurred_at) as sent_at
    from journey
    cross join as_of
    where journey.kind = 'email_sent' and journey.campaign is not null
    group by journey.campaign, as_of.as_of
    having
        min(journey.occurred_at)
        <= as_of.as_of - interval '{{ company_var("lift_mailing_days") }} days'
),

buyers as (
    select
        customer_id,
        min(converted_at) as first_order_at
    from conversions
    group by customer_id
),

mailed as (
    select
        mailings.campaign,
        mailings.sent_at,
        buyers.customer_id
    from mailings
    inner join buyers
        on
            buyers.first_order_at < mailings.sent_at - interval '{{ days_before }} days'
),

mail_orders as (
    select
        mailed.campaign,
        mailed.customer_id,
        sum(
            case
                when conversions.converted_at >= mailed.sent_at then cast(1 as double)
                else cast(-1 as double) / 6
            end
        ) as outcome
    from mailed
    inner join conversions
        on
            mailed.customer_id = conversions.customer_id
            and conversions.converted_at >= mailed.sent_at - interval '{{ days_before }} days'
            and conversions.converted_at
            < mailed.sent_at + interval '{{ company_var("lift_mailing_days") }} days'
    group by mailed.campaign, mailed.customer_id
),

mail_outcomes as (
    select
        'mailing' as comparison,
        'email' as channel,
        '(all)' as campaign,
        mailed.customer_id,
        sent.customer_id is not null as is_reached,
        'any' as stratum,
        coalesce(mail_orders.outcome, cast(0 as double)) as outcome,
        0 as open_orders,
        true as is_compared
    from mailed
    left join sent
        on mailed.campaign = sent.campaign and mailed.customer_id = sent.customer_id
    left join mail_orders
        on mailed.campaign = mail_orders.campaign and mailed.customer_id = mail_orders.customer_id
),

outcomes as (
    select * from visit_outcomes
    union all
    select * from mail_outcomes
),

-- People go into 256 bags: the interval comes from drawing bags anew.
grouped as (
    select
        comparison,
        is_reached,
        case when is_reached then channel else '(control)' end as channel,
        case when is_reached then campaign else '(control)' end as campaign,
        stratum,
        substr(md5(customer_id), 1, 2) as bag,
        outcome,
        case when is_reached then open_orders else 0 end as open_orders,
        is_compared
    from outcomes
),

final as (
    select
        comparison,
        channel,
        campaign,
        stratum,
        bag,
        count(*) filter (where is_compared) as count_cases,
        round(coalesce(sum(outcome) filter (where is_compared), 0), 9) as outcome,
        cast(sum(open_orders) as bigint) as open_orders
    from grouped
    where is_compared or (is_reached and open_orders > 0)
    group by comparison, channel, campaign, stratum, bag
)

select * from final
