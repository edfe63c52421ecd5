{%- set levels = {
    'channel': ["'(all)'", "'(all)'"],
    'campaign': ['campaign', "'(all)'"],
    'ad': ['campaign', 'ad_id'],
} %}

with performance as (
    select * from {{ ref('channel_performance') }}
),

lift as (
    select * from {{ ref('channel_lift') }}
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
                retail_new_customers_{{ model }},
                retail_revenue_cents_{{ model }},
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
            revenue_cents_{{ model }} as revenue_cents,
            retail_new_customers_{{ model }} as retail_new_customers,
            retail_revenue_cents_{{ model }} as retail_revenue_cents
        from levelled
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

summed as (
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
        round(sum(retail_new_customers), 9) as retail_new_customers,
        cast(sum(retail_revenue_cents) as bigint) as retail_revenue_cents
    from told
    group by model, level, channel, campaign_name, ad_name
),

-- What is not shown to bring orders has no cost of one.
final as (
    select
        summed.*,
        nullif(summed.spend_cents, 0) / nullif(summed.new_customers, 0) as cac_cents,
        cast(summed.revenue_cents as double) / nullif(summed.spend_cents, 0) as roas,
        nullif(summed.spend_cents, 0) / nullif(summed.retail_new_customers, 0) as retail_cac_cents,
        cast(summed.retail_revenue_cents as double) / nullif(summed.spend_cents, 0) as retail_roas,
        lift.incremental_orders,
        lift.incremental_orders_low,
        lift.incremental_orders_high,
        lift.is_incremental,
        lift.comparison as lift_comparison,
        case
            when lift.is_incremental
                then nullif(summed.spend_cents, 0) / lift.incremental_orders
        end as cost_per_incremental_order_cents,
        case
            when lift.incremental_orders_high > 0
                then nullif(summed.spend_cents, 0) / lift.incremental_orders_high
        end as cost_per_incremental_order_low_cents,
        case
            when lift.is_incremental
                then nullif(summed.spend_cents, 0) / lift.incremental_orders_low
        end as cost_per_incremental_order_high_cents
    from summed
    left join lift
        on
            summed.channel = lift.channel
            and summed.campaign = lift.campaign
            and summed.level in ('channel', 'campaign')
            and (summed.level = 'channel') = (lift.campaign = '(all)')
)

select * from final
