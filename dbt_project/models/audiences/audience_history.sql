{{ config(materialized='view') }}

with changes as (
    select * from {{ source('audiences', 'membership_changes') }}
),

successors as (
    select * from {{ ref('stg_identity__successors') }}
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

stays as (
    select
        turns.audience,
        coalesce(successors.customer_id, turns.customer_id) as customer_id,
        turns.changed_at as entered_at,
        turns.next_changed_at as left_at
    from turns
    left join successors on turns.customer_id = successors.former_id
    where turns.change = 'entered'
),

-- People who became one person were in it while any of them was: their stays that meet are one.
met as (
    select
        audience,
        customer_id,
        entered_at,
        left_at,
        max(coalesce(left_at, timestamp '9999-12-31 00:00:00')) over (
            partition by audience, customer_id
            order by entered_at nulls last, left_at nulls last
            rows between unbounded preceding and 1 preceding
        ) as left_before_at
    from stays
),

numbered as (
    select
        audience,
        customer_id,
        entered_at,
        left_at,
        sum(case when left_before_at >= entered_at then 0 else 1 end) over (
            partition by audience, customer_id
            order by entered_at nulls last, left_at nulls last
            rows between unbounded preceding and current row
        ) as stay_number
    from met
),

final as (
    select
        audience,
        customer_id,
        min(entered_at) as entered_at,
        case when count(*) = count(left_at) then max(left_at) end as left_at
    from numbered
    group by audience, customer_id, stay_number
)

select * from final
