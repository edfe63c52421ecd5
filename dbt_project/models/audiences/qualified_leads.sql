{%- set moment = in_order_of(['leads.created_at', 'leads.lead_id']) %}

with as_of as (
    select * from {{ ref('int_as_of') }}
),

leads as (
    select * from {{ ref('stg_crm__leads') }}
    where {{ has_happened('created_at') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

final as (
    select
        identifiers.customer_id,
        count(*) as count_leads,
        min_by(leads.lead_id, {{ moment }}) as first_lead_id,
        max_by(leads.company_name, {{ moment }}) filter (where leads.company_name is not null)
            as company_name,
        max_by(leads.lead_owner, {{ moment }}) filter (where leads.lead_owner is not null)
            as lead_owner,
        min(leads.created_at) as first_lead_at,
        max(as_of.as_of) as as_of
    from leads
    cross join as_of
    inner join identifiers
        on leads.email = identifiers.id_value and identifiers.id_type = 'email'
    where leads.is_qualified
    group by identifiers.customer_id
)

select * from final
