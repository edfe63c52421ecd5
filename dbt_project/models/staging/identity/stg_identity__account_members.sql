with source as (
    select * from {{ source('identity', 'account_members') }}
),

final as (
    select
        account_id,
        customer_id,
        source_table
    from source
)

select * from final
