with source as (
    select * from {{ source('raw', 'email__sends') }}
),

final as (
    select
        id as send_id,
        campaign_id as email_campaign_id,
        contact_id as email_contact_id,
        status,
        sent_at,
        opened_at,
        clicked_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
