with stages as (
    select * from {{ ref('stg_crm__opportunity_stages') }}
),

opportunities as (
    select * from {{ ref('stg_crm__opportunities') }}
),

as_of as (
    select * from {{ ref('int_as_of') }}
),

-- A deal whose changes nobody wrote down has been in its stage since it was made.
entered as (
    select
        opportunity_id,
        stage_change_id,
        stage,
        risk_status,
        changed_at as entered_at
    from stages
    union all
    select
        opportunities.opportunity_id,
        opportunities.opportunity_id as stage_change_id,
        opportunities.stage,
        opportunities.risk_status,
        coalesce(opportunities.created_at, opportunities.updated_at) as entered_at
    from opportunities
    left join stages
        on opportunities.opportunity_id = stages.opportunity_id
    where
        stages.opportunity_id is null
        and coalesce(opportunities.created_at, opportunities.updated_at) is not null
),

followed as (
    select
        *,
        row_number() over (
            partition by opportunity_id
            order by entered_at asc, stage_change_id asc
        ) as stage_no,
        lead(entered_at) over (
            partition by opportunity_id
            order by entered_at asc, stage_change_id asc
        ) as left_at
    from entered
),

final as (
    select
        followed.stage_change_id,
        followed.opportunity_id,
        cast(followed.stage_no as bigint) as stage_no,
        followed.stage,
        followed.risk_status,
        followed.entered_at,
        followed.left_at,
        followed.left_at is null as is_current,
        {{ days_between(
            'followed.entered_at', 'coalesce(followed.left_at, greatest(as_of.as_of, followed.entered_at))'
        ) }} as count_days
    from followed
    cross join as_of
)

select * from final
