with source as (
    select * from {{ source('identity', 'changes') }}
),

final as (
    select
        change,
        from_customer_id,
        to_customer_id,
        id_type,
        id_value,
        changed_at
    from source
)

select * from final
