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
        customers.*,
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
