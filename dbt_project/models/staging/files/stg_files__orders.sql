with source as (
    select * from {{ source('raw', 'files__orders') }}
),

final as (
    select
        source,
        order_id,
        {{ blank_to_null('user_id') }} as user_id,
        ordered_at,
        kind,
        country,
        total_cents,
        upper(currency) as currency
    from source
    where order_id is not null
    qualify row_number() over (partition by order_id order by source, ordered_at nulls last) = 1
)

select * from final
