with opportunities as (
    select * from {{ ref('opportunities') }}
    where {{ has_happened('created_at') }}
),

entered as (
    select * from {{ ref('opportunity_stages') }}
    where {{ has_happened('entered_at') }}
),

as_of as (
    select * from {{ ref('int_as_of') }}
),

stages as (
    select *
    from entered
    qualify row_number() over (partition by opportunity_id order by stage_no desc) = 1
),

-- What the deal's own row says is true unless it has moved on since «now».
judged as (
    select
        opportunities.*,
        coalesce(opportunities.stage_entered_at > as_of.as_of, false) as has_moved_on,
        coalesce(opportunities.closed_at > as_of.as_of, false) as is_closed_later
    from opportunities
    cross join as_of
),

final as (
    select
        judged.opportunity_id,
        judged.account_id,
        judged.customer_id,
        case when judged.has_moved_on then stages.stage else judged.stage end
            as stage,
        case when judged.has_moved_on then stages.risk_status else judged.risk_status end
            as risk_status,
        judged.amount_cents,
        judged.is_open or judged.is_closed_later as is_open,
        judged.is_won and not judged.is_closed_later as is_won,
        case when judged.has_moved_on then stages.entered_at else judged.stage_entered_at end
            as stage_entered_at
    from judged
    left join stages
        on judged.opportunity_id = stages.opportunity_id
)

select * from final
