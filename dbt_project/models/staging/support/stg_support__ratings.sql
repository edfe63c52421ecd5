with source as (
    select * from {{ source('raw', 'support__ratings') }}
),

final as (
    select
        id as rating_id,
        ticket_id,
        score,
        {{ blank_to_null('comment') }} as rating_comment,
        rated_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
