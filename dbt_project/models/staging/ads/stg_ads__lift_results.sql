with source as (
    select * from {{ source('raw', 'ads__lift_results') }}
),

final as (
    select
        id as lift_result_id,
        campaign_id as ad_campaign_id,
        cast(first_day as date) as first_date,
        cast(last_day as date) as last_date,
        lower({{ blank_to_null('study_group') }}) as study_group,
        user_bucket,
        users as count_users,
        orders as count_orders,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
