with events as (
    select * from {{ ref('stg_events__events') }}
),

final as (
    select {{ as_of('events') }} as as_of
)

select * from final
