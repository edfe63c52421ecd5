with source as (
    select * from {{ source('raw', 'files__customers') }}
),

final as (
    select
        source,
        {{ blank_to_null('user_id') }} as user_id,
        {{ blank_to_null('country') }} as country,
        first_seen_at
    from source
)

select * from final
