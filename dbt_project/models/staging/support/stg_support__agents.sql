with source as (
    select * from {{ source('raw', 'support__agents') }}
),

final as (
    select
        id as agent_id,
        {{ blank_to_null('name') }} as agent_name,
        {{ tidy_email('email') }} as email,
        {{ blank_to_null('team') }} as team,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
