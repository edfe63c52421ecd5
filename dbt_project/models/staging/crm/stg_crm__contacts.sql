with source as (
    select * from {{ source('raw', 'crm__contacts') }}
),

final as (
    select
        id as crm_id,
        account_id,
        {{ blank_to_null('shop_user_id') }} as user_id,
        {{ tidy_email('email') }} as email,
        {{ blank_to_null('phone') }} as phone,
        {{ blank_to_null('first_name') }} as first_name,
        {{ blank_to_null('last_name') }} as last_name,
        cast(birth_date as date) as birth_date,
        {{ blank_to_null('account_manager') }} as account_manager,
        created_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
