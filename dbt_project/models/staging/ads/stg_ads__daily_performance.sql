with source as (
    select * from {{ source('raw', 'ads__daily_performance') }}
),

final as (
    select
        id as performance_id,
        cast(day as date) as performance_date,
        campaign_id as ad_campaign_id,
        ad_id,
        spend_cents,
        upper(currency) as currency,
        impressions as count_impressions,
        clicks as count_clicks,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
