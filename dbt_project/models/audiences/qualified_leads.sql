with as_of as (
    select * from {{ ref('int_as_of') }}
),

leads as (
    select * from {{ ref('stg_crm__leads') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

final as (
    select
        identifiers.customer_id,
        count(*) as count_leads,
        min_by(leads.lead_id, leads.created_at) as first_lead_id,
        max_by(leads.company_name, leads.created_at) as company_name,
        max_by(leads.lead_owner, leads.created_at) as lead_owner,
        min(leads.created_at) as first_lead_at,
        max(as_of.as_of) as as_of
    from leads
    cross join as_of
    inner join identifiers
        on leads.email = identifiers.id_value and identifiers.id_type = 'email'
    where leads.is_qualified and leads.created_at < as_of.as_of
    group by identifiers.customer_id
)

select * from final
