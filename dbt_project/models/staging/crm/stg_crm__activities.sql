with source as (
    select * from {{ source('raw', 'crm__activities') }}
),

final as (
    select
        id as activity_id,
        contact_id as crm_id,
        kind,
        note,
        duration_seconds,
        owner as activity_owner,
        occurred_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
