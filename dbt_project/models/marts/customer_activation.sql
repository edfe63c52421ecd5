with customers as (
    select * from {{ ref('customer_360') }}
),

traits as (
    select * from {{ ref('computed_traits') }}
),

churn_scores as (
    select * from {{ ref('stg_ml__churn_scores') }}
),

high_value as (
    select * from {{ ref('high_value_customers') }}
),

likely_to_churn as (
    select * from {{ ref('likely_to_churn') }}
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
        customers.as_of,
        traits.favourite_category,
        traits.preferred_platform,
        traits.days_since_last_order,
        traits.days_since_last_session,
        traits.average_basket_items,
        traits.coupon_rate,
        traits.count_support_contacts_90d,
        traits.support_load,
        traits.is_lead_qualified,
        traits.is_repeat_buyer,
        high_value.customer_id is not null as is_high_value,
        likely_to_churn.customer_id is not null as is_likely_to_churn,
        churn_scores.probability as likelihood_to_churn,
        churn_scores.percentile as churn_percentile,
        churn_scores.reasons as churn_reasons,
        churn_scores.model_version as churn_model_version,
        churn_scores.scored_at as churn_scored_at
    from customers
    inner join traits on customers.customer_id = traits.customer_id
    left join churn_scores on customers.customer_id = churn_scores.customer_id
    left join high_value on customers.customer_id = high_value.customer_id
    left join likely_to_churn on customers.customer_id = likely_to_churn.customer_id
)

select * from final
