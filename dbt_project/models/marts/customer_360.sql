{%- set first = in_order_of(['sessions.started_at', 'sessions.session_id']) %}

with identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

as_of as (
    select * from {{ ref('int_as_of') }}
),

profiles as (
    select * from {{ ref('int_customers_profiled') }}
),

seen as (
    select * from {{ ref('int_customers_seen') }}
),

orders as (
    select * from {{ ref('orders') }}
    where {{ has_happened('ordered_at') }}
),

sessions as (
    select * from {{ ref('sessions') }}
    where {{ has_happened('started_at') }}
),

subscriptions as (
    select * from {{ ref('int_subscriptions_current') }}
),

support as (
    select * from {{ ref('int_support_summarised') }}
),

engaged as (
    select * from {{ ref('int_customers_engaged') }}
),

rfm as (
    select * from {{ ref('int_customers_rfm') }}
),

stages as (
    select * from {{ ref('int_customers_staged') }}
),

opportunities as (
    select * from {{ ref('int_opportunities_current') }}
),

subscription_totals as (
    select
        customer_id,
        sum(mrr_cents) as mrr_cents
    from {{ ref('subscriptions') }}
    group by customer_id
),

consents as (
    select
        customer_id,
        max(case when purpose = 'marketing' then cast(is_granted as int) end) = 1
            as has_consent_marketing,
        max(case when purpose = 'analytics' then cast(is_granted as int) end) = 1
            as has_consent_analytics,
        max(case when purpose = 'advertising' then cast(is_granted as int) end) = 1
            as has_consent_advertising
    from {{ ref('int_consents_told') }}
    group by customer_id
),

-- A deal is a person's when it is talked about with them, or when it is their organisation's.
deals as (
    select
        opportunities.opportunity_id,
        opportunities.stage,
        opportunities.risk_status,
        opportunities.is_open,
        opportunities.stage_entered_at,
        opportunities.customer_id
    from opportunities
    where opportunities.customer_id is not null
    union
    select
        opportunities.opportunity_id,
        opportunities.stage,
        opportunities.risk_status,
        opportunities.is_open,
        opportunities.stage_entered_at,
        members.customer_id
    from opportunities
    inner join {{ ref('int_account_members') }} as members
        on opportunities.account_id = members.account_id and members.is_current
),

deal_totals as (
    select
        customer_id,
        count(*) filter (where is_open) as count_open_opportunities
    from deals
    group by customer_id
),

latest_deals as (
    select
        customer_id,
        stage as opportunity_stage,
        risk_status as opportunity_risk
    from deals
    qualify
        row_number() over (
            partition by customer_id
            order by
                case when is_open then 0 else 1 end asc,
                stage_entered_at desc nulls last,
                opportunity_id asc
        ) = 1
),

people as (
    select
        customer_id,
        min(id_value) filter (where id_type = 'user_id') as user_id,
        min(id_value) filter (where id_type = 'email') as any_email,
        min(id_value) filter (where id_type = 'crm_id') as crm_id,
        min(id_value) filter (where id_type = 'payment_id') as payment_id,
        min(id_value) filter (where id_type = 'anonymous_id') as anonymous_id,
        count(*) filter (where id_type = 'user_id') as count_user_ids,
        count(*) filter (where id_type = 'email') as count_emails,
        count(*) filter (where id_type = 'anonymous_id') as count_anonymous_ids
    from identifiers
    group by customer_id
),

order_totals as (
    select
        customer_id,
        count(*) filter (where kind = 'sale') as count_orders,
        count(*) filter (where kind = 'refund') as count_refunds,
        count(*) filter (where kind = 'cancellation') as count_cancellations,
        sum(revenue_cents) as revenue_cents,
        -sum(revenue_cents) filter (where kind in ('refund', 'cancellation')) as refunded_cents,
        sum(margin_cents) as margin_cents,
        avg(revenue_cents) filter (where kind = 'sale' and not is_zero_total)
            as average_order_cents,
        min(ordered_at) filter (where kind = 'sale') as first_order_at,
        max(ordered_at) filter (where kind = 'sale') as last_order_at,
        max_by(currency, {{ in_order_of(['ordered_at', 'order_id']) }}) filter (
            where
            currency is not null
            and ordered_at is not null
            and {{ in_company_currency('currency') }}
        ) as currency
    from orders
    where customer_id is not null
    group by customer_id
),

session_totals as (
    select
        sessions.customer_id,
        count(*) as count_sessions,
        count(*) filter (where sessions.started_at >= as_of.as_of - interval '7 days')
            as count_sessions_7d,
        count(*) filter (where sessions.started_at >= as_of.as_of - interval '30 days')
            as count_sessions_30d,
        count(*) filter (where sessions.started_at >= as_of.as_of - interval '90 days')
            as count_sessions_90d,
        max(sessions.started_at) as last_session_at,
        min_by(sessions.channel, {{ first }}) as first_channel,
        min_by(coalesce(sessions.utm_source, 'none'), {{ first }}) as first_touch_source,
        min_by(coalesce(sessions.utm_medium, 'none'), {{ first }}) as first_touch_medium,
        min(sessions.started_at) as first_touch_at,
        min_by(sessions.utm_campaign, {{ first }}) filter (
            where sessions.utm_campaign is not null
        ) as first_campaign
    from sessions
    cross join as_of
    group by sessions.customer_id
),

final as (
    select
        people.customer_id,
        people.user_id,
        coalesce(profiles.email, people.any_email) as email,
        people.crm_id,
        people.payment_id,
        people.anonymous_id,
        people.count_user_ids,
        people.count_emails,
        people.count_anonymous_ids,
        profiles.full_name,
        profiles.first_name,
        profiles.last_name,
        profiles.phone,
        profiles.birth_date,
        profiles.birth_date_source,
        profiles.country,
        coalesce(profiles.customer_type, 'retail') as customer_type,
        profiles.account_name,
        profiles.account_manager,
        seen.first_seen_at,
        seen.last_seen_at,
        session_totals.first_channel,
        session_totals.first_campaign,
        coalesce(order_totals.count_orders, 0) as count_orders,
        coalesce(order_totals.count_refunds, 0) as count_refunds,
        coalesce(order_totals.count_cancellations, 0) as count_cancellations,
        cast(order_totals.revenue_cents as bigint) as revenue_cents,
        cast(order_totals.refunded_cents as bigint) as refunded_cents,
        cast(round(order_totals.average_order_cents) as bigint) as average_order_cents,
        order_totals.currency,
        order_totals.first_order_at,
        order_totals.last_order_at,
        coalesce(subscriptions.state, 'never') as subscription_state,
        subscriptions.plan_name as subscription_plan,
        subscriptions.price_cents as subscription_price_cents,
        subscriptions.started_at as subscription_started_at,
        subscriptions.cancelled_at as subscription_cancelled_at,
        coalesce(session_totals.count_sessions, 0) as count_sessions,
        coalesce(session_totals.count_sessions_7d, 0) as count_sessions_7d,
        coalesce(session_totals.count_sessions_30d, 0) as count_sessions_30d,
        coalesce(session_totals.count_sessions_90d, 0) as count_sessions_90d,
        session_totals.last_session_at,
        coalesce(support.count_tickets, 0) as count_tickets,
        coalesce(support.count_tickets_open, 0) as count_tickets_open,
        coalesce(support.count_chats, 0) as count_chats,
        support.last_support_contact_at,
        coalesce(engaged.count_email_opens, 0) as count_email_opens,
        coalesce(engaged.count_email_clicks, 0) as count_email_clicks,
        stages.lifecycle_stage,
        as_of.as_of,
        coalesce(profiles.current_email, people.any_email) as current_email,
        profiles.email_source,
        profiles.last_login_at,
        profiles.registered_at,
        profiles.account_id,
        profiles.company_name,
        profiles.lead_status,
        latest_deals.opportunity_stage,
        latest_deals.opportunity_risk,
        coalesce(deal_totals.count_open_opportunities, 0) as count_open_opportunities,
        cast(coalesce(subscription_totals.mrr_cents, 0) as bigint) as mrr_cents,
        cast(order_totals.margin_cents as bigint) as margin_cents,
        rfm.rfm_recency,
        rfm.rfm_frequency,
        rfm.rfm_monetary,
        rfm.rfm_segment,
        coalesce(engaged.count_email_sends, 0) as count_email_sends,
        engaged.satisfaction_average,
        coalesce(engaged.count_ad_visits, 0) as count_ad_visits,
        coalesce(engaged.ad_spend_touched_cents, 0) as ad_spend_touched_cents,
        consents.has_consent_marketing,
        consents.has_consent_analytics,
        consents.has_consent_advertising,
        nullif(session_totals.first_touch_source, 'none') as first_touch_source,
        nullif(session_totals.first_touch_medium, 'none') as first_touch_medium,
        session_totals.first_touch_at,
        support.last_agent_name as support_agent_name,
        profiles.address_street,
        profiles.address_city,
        profiles.address_postal_code
    from people
    cross join as_of
    left join profiles on people.customer_id = profiles.customer_id
    left join stages on people.customer_id = stages.customer_id
    left join seen on people.customer_id = seen.customer_id
    left join order_totals on people.customer_id = order_totals.customer_id
    left join session_totals on people.customer_id = session_totals.customer_id
    left join subscriptions on people.customer_id = subscriptions.customer_id
    left join support on people.customer_id = support.customer_id
    left join engaged on people.customer_id = engaged.customer_id
    left join rfm on people.customer_id = rfm.customer_id
    left join subscription_totals on people.customer_id = subscription_totals.customer_id
    left join consents on people.customer_id = consents.customer_id
    left join deal_totals on people.customer_id = deal_totals.customer_id
    left join latest_deals on people.customer_id = latest_deals.customer_id
)

select * from final
