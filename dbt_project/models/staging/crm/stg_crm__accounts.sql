with source as (
    select * from {{ source('raw', 'crm__accounts') }}
),

final as (
    select
        id as account_id,
        name as account_name,
        type as account_type,
        industry,
        {{ blank_to_null('account_manager') }} as account_manager,
        created_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
