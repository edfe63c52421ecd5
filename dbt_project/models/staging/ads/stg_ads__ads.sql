with source as (
    select * from {{ source('raw', 'ads__ads') }}
),

final as (
    select
        id as ad_id,
        campaign_id as ad_campaign_id,
        {{ blank_to_null('name') }} as ad_name,
        {{ blank_to_null('utm_content') }} as utm_content,
        created_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
