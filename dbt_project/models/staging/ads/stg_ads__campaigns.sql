with source as (
    select * from {{ source('raw', 'ads__campaigns') }}
),

final as (
    select
        id as ad_campaign_id,
        {{ blank_to_null('platform') }} as platform,
        {{ blank_to_null('name') }} as campaign_name,
        {{ blank_to_null('utm_source') }} as utm_source,
        {{ blank_to_null('utm_medium') }} as utm_medium,
        {{ blank_to_null('utm_campaign') }} as utm_campaign,
        created_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
