with source as (
    select * from {{ source('identity', 'successors') }}
),

final as (
    select
        former_id,
        customer_id,
        since
    from source
)

select * from final
