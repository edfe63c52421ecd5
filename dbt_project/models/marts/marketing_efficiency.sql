{%- set levels = {
    'channel': ["'(all)'", "'(all)'"],
    'campaign': ['campaign', "'(all)'"],
    'ad': ['campaign', 'ad_id'],
} %}

with performance as (
    select * from {{ ref('channel_performance') }}
),

levelled as (
    {% for level, parts in levels.items() %}
        select
            '{{ level }}' as level,
            channel,
            {{ parts[0] }} as campaign_name,
            {{ parts[1] }} as ad_name,
            spend_cents,
            clicks,
            impressions,
            {% for model in attribution_models() %}
                new_customers_{{ model }},
                revenue_cents_{{ model }},
            {% endfor %}
            month
        from performance
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

told as (
    {% for model in attribution_models() %}
        select
            '{{ model }}' as model,
            level,
            channel,
            campaign_name,
            ad_name,
            spend_cents,
            clicks,
            impressions,
            new_customers_{{ model }} as new_customers,
            revenue_cents_{{ model }} as revenue_cents
        from levelled
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

final as (
    select
        model,
        level,
        channel,
        campaign_name as campaign,
        ad_name as ad_id,
        cast(sum(spend_cents) as bigint) as spend_cents,
        cast(sum(clicks) as bigint) as clicks,
        cast(sum(impressions) as bigint) as impressions,
        round(sum(new_customers), 9) as new_customers,
        cast(sum(revenue_cents) as bigint) as revenue_cents,
        nullif(sum(spend_cents), 0) / nullif(round(sum(new_customers), 9), 0) as cac_cents,
        cast(sum(revenue_cents) as double) / nullif(sum(spend_cents), 0) as roas
    from told
    group by model, level, channel, campaign_name, ad_name
)

select * from final
