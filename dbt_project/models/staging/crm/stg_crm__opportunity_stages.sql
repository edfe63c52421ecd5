with source as (
    select * from {{ source('raw', 'crm__opportunity_stages') }}
),

final as (
    select
        id as stage_change_id,
        opportunity_id,
        stage,
        risk_status,
        changed_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
