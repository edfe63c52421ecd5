with source as (
    select * from {{ source('raw', 'shop__inventory') }}
),

final as (
    select
        id as inventory_id,
        product_id,
        available as count_available,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
    qualify
        row_number() over (
            partition by product_id
            order by updated_at desc nulls last, id asc
        ) = 1
)

select * from final
