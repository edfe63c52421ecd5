{%- set chosen = company_var('attribution_model') %}

with attribution as (
    select * from {{ ref('attribution') }}
),

spend as (
    select * from {{ ref('int_ad_spend_by_month') }}
),

earned as (
    select
        cast(date_trunc('month', converted_at) as date) as month,
        channel,
        coalesce(campaign, '(none)') as campaign,
        coalesce(ad_id, '(none)') as ad_id,
        {% for model in attribution_models() %}
            coalesce(round(sum(new_customers) filter (where model = '{{ model }}'), 9), 0)
                as new_customers_{{ model }},
            cast(coalesce(sum(revenue_cents) filter (where model = '{{ model }}'), 0) as bigint)
                as revenue_cents_{{ model }},
            {% set is_retail = "model = '" ~ model ~ "' and customer_type = 'retail'" %}
            coalesce(round(sum(new_customers) filter (where {{ is_retail }}), 9), 0)
                as retail_new_customers_{{ model }},
            cast(coalesce(sum(revenue_cents) filter (where {{ is_retail }}), 0) as bigint)
                as retail_revenue_cents_{{ model }},
        {% endfor %}
        coalesce(round(sum(credit) filter (where model = '{{ chosen }}'), 9), 0) as conversions
    from attribution
    where {{ in_company_currency('currency') }}
    group by 1, 2, 3, 4
),

final as (
    select
        coalesce(spend.month, earned.month) as month,
        coalesce(spend.channel, earned.channel) as channel,
        coalesce(spend.campaign, earned.campaign) as campaign,
        coalesce(spend.ad_id, earned.ad_id) as ad_id,
        coalesce(spend.spend_cents, 0) as spend_cents,
        coalesce(spend.clicks, 0) as clicks,
        coalesce(spend.impressions, 0) as impressions,
        coalesce(earned.conversions, 0) as conversions,
        coalesce(earned.new_customers_{{ chosen }}, 0) as new_customers,
        coalesce(earned.revenue_cents_{{ chosen }}, 0) as revenue_cents,
        nullif(spend.spend_cents, 0) / nullif(earned.new_customers_{{ chosen }}, 0) as cac_cents,
        cast(coalesce(earned.revenue_cents_{{ chosen }}, 0) as double)
        / nullif(spend.spend_cents, 0) as roas,
        coalesce(earned.retail_revenue_cents_{{ chosen }}, 0) as retail_revenue_cents,
        cast(coalesce(earned.retail_revenue_cents_{{ chosen }}, 0) as double)
        / nullif(spend.spend_cents, 0) as retail_roas,
        {% for model in attribution_models() %}
            coalesce(earned.new_customers_{{ model }}, 0) as new_customers_{{ model }},
            coalesce(earned.revenue_cents_{{ model }}, 0) as revenue_cents_{{ model }},
            coalesce(earned.retail_new_customers_{{ model }}, 0)
                as retail_new_customers_{{ model }},
            coalesce(earned.retail_revenue_cents_{{ model }}, 0)
                as retail_revenue_cents_{{ model }},
        {% endfor %}
        '{{ chosen }}' as attribution_model
    from spend
    full outer join earned
        on
            spend.month = earned.month
            and spend.channel = earned.channel
            and spend.campaign = earned.campaign
            and spend.ad_id = earned.ad_id
)

select * from final
