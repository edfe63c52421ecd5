{{ config(materialized='view') }}

with history as (
    select * from {{ ref('audience_history') }}
),

final as (
    select
        audience,
        customer_id,
        entered_at
    from history
    where left_at is null
)

select * from final
