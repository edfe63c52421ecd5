with opportunities as (
    select * from {{ ref('stg_crm__opportunities') }}
),

stages as (
    select * from {{ ref('opportunity_stages') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

histories as (
    select
        opportunity_id,
        count(*) as count_stages,
        max(entered_at) as stage_entered_at,
        max(case when risk_status = 'high' then 1 else 0 end) = 1 as has_been_at_high_risk
    from stages
    group by opportunity_id
),

final as (
    select
        opportunities.opportunity_id,
        opportunities.account_id,
        contacts.customer_id,
        opportunities.stage,
        opportunities.risk_status,
        opportunities.amount_cents,
        opportunities.currency,
        coalesce(opportunities.is_open, opportunities.closed_at is null) as is_open,
        lower(coalesce(opportunities.stage, '')) in ('won', 'closed_won', 'closed won') as is_won,
        opportunities.created_at,
        opportunities.closed_at,
        histories.stage_entered_at,
        coalesce(histories.count_stages, 0) as count_stages,
        coalesce(histories.has_been_at_high_risk, false) as has_been_at_high_risk
    from opportunities
    left join histories
        on opportunities.opportunity_id = histories.opportunity_id
    left join identifiers as contacts
        on opportunities.crm_id = contacts.id_value and contacts.id_type = 'crm_id'
)

select * from final
