{{ config(materialized='view', post_hook="{{ describe_audiences() }}") }}

{% set audiences = audience_names() %}

-- Those that come with the project are named, so that dbt builds them first. Any other is found by
-- itself, and a view says who is in it whenever it was built.
-- depends_on: {{ ref('churned_customers') }}
-- depends_on: {{ ref('high_value_customers') }}
-- depends_on: {{ ref('likely_to_churn') }}
-- depends_on: {{ ref('qualified_leads') }}
-- depends_on: {{ ref('wholesale_prospects') }}

with customers as (
    select * from {{ ref('customer_360') }}
),

traits as (
    select * from {{ ref('computed_traits') }}
),

churn_scores as (
    select * from {{ ref('stg_ml__churn_scores') }}
),

memberships as (
    select * from {{ ref('memberships') }}
),

audiences as (
    select
        customer_id,
        {% for name in audiences %}
            max(case when audience = '{{ name }}' then 1 else 0 end) as is_{{ name }},
        {% endfor %}
        count(*) as count_audiences
    from memberships
    where audience in ({{ quoted_list(audiences) }})
    group by customer_id
),

final as (
    select
        customers.customer_id,
        customers.user_id,
        customers.email,
        customers.crm_id,
        customers.payment_id,
        customers.anonymous_id,
        customers.count_user_ids,
        customers.count_emails,
        customers.count_anonymous_ids,
        customers.full_name,
        customers.first_name,
        customers.last_name,
        customers.phone,
        customers.birth_date,
        customers.birth_date_source,
        customers.country,
        customers.customer_type,
        customers.account_name,
        customers.account_manager,
        customers.first_seen_at,
        customers.last_seen_at,
        customers.first_channel,
        customers.first_campaign,
        customers.count_orders,
        customers.count_refunds,
        customers.count_cancellations,
        customers.revenue_cents,
        customers.refunded_cents,
        customers.average_order_cents,
        customers.currency,
        customers.first_order_at,
        customers.last_order_at,
        customers.subscription_state,
        customers.subscription_plan,
        customers.subscription_price_cents,
        customers.subscription_started_at,
        customers.subscription_cancelled_at,
        customers.count_sessions,
        customers.count_sessions_7d,
        customers.count_sessions_30d,
        customers.count_sessions_90d,
        customers.last_session_at,
        customers.count_tickets,
        customers.count_tickets_open,
        customers.count_chats,
        customers.last_support_contact_at,
        customers.count_email_opens,
        customers.count_email_clicks,
        customers.lifecycle_stage,
        customers.current_email,
        customers.email_source,
        customers.last_login_at,
        customers.registered_at,
        customers.account_id,
        customers.company_name,
        customers.lead_status,
        customers.opportunity_stage,
        customers.opportunity_risk,
        customers.count_open_opportunities,
        customers.mrr_cents,
        customers.margin_cents,
        customers.rfm_recency,
        customers.rfm_frequency,
        customers.rfm_monetary,
        customers.rfm_segment,
        customers.count_email_sends,
        customers.satisfaction_average,
        customers.count_ad_visits,
        customers.ad_spend_touched_cents,
        customers.has_consent_marketing,
        customers.has_consent_analytics,
        customers.has_consent_advertising,
        customers.first_touch_source,
        customers.first_touch_medium,
        customers.first_touch_at,
        customers.support_agent_name,
        customers.address_street,
        customers.address_city,
        customers.address_postal_code,
        customers.as_of,
        traits.favourite_category,
        traits.preferred_platform,
        traits.days_since_last_order,
        traits.days_since_last_session,
        traits.average_basket_items,
        traits.coupon_rate,
        traits.count_orders_365d,
        traits.revenue_365d_cents,
        traits.count_support_contacts_90d,
        traits.support_load,
        traits.is_lead_qualified,
        traits.is_repeat_buyer,
        {% for name in audiences %}
            coalesce(audiences.is_{{ name }}, 0) = 1 as is_{{ name }},
        {% endfor %}
        coalesce(audiences.count_audiences, 0) as count_audiences,
        churn_scores.probability as likelihood_to_churn,
        churn_scores.percentile as churn_percentile,
        churn_scores.reasons as churn_reasons,
        churn_scores.model_version as churn_model_version,
        churn_scores.scored_at as churn_scored_at
    from customers
    inner join traits on customers.customer_id = traits.customer_id
    left join churn_scores on customers.customer_id = churn_scores.customer_id
    left join audiences on customers.customer_id = audiences.customer_id
)

select * from final
