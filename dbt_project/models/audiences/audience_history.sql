{{ config(materialized='view') }}

with changes as (
    select * from {{ source('audiences', 'membership_changes') }}
),

-- Of several builds at the same «now» only the last one's outcome counts.
settled as (
    select
        audience,
        customer_id,
        change,
        changed_at
    from changes
    qualify
        row_number() over (
            partition by audience, customer_id, changed_at
            order by change_number desc nulls last
        ) = 1
),

compared as (
    select
        audience,
        customer_id,
        change,
        changed_at,
        lag(change) over (
            partition by audience, customer_id
            order by changed_at nulls last
        ) as previous_change
    from settled
),

turns as (
    select
        audience,
        customer_id,
        change,
        changed_at,
        lead(changed_at) over (
            partition by audience, customer_id
            order by changed_at nulls last
        ) as next_changed_at
    from compared
    where change <> coalesce(previous_change, 'left')
),

final as (
    select
        audience,
        customer_id,
        changed_at as entered_at,
        next_changed_at as left_at
    from turns
    where change = 'entered'
)

select * from final
