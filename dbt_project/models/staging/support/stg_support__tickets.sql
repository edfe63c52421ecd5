with source as (
    select * from {{ source('raw', 'support__tickets') }}
),

final as (
    select
        id as ticket_id,
        {{ blank_to_null('user_id') }} as user_id,
        {{ tidy_email('requester_email') }} as email,
        subject,
        topic,
        status,
        satisfaction,
        agent_id,
        created_at,
        first_response_at,
        solved_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
