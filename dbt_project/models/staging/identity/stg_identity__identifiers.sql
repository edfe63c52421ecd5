with source as (
    select * from {{ source('identity', 'identifiers') }}
),

final as (
    select
        id_type,
        id_value,
        customer_id
    from source
)

select * from final
