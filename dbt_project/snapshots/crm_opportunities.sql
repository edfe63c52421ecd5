{% snapshot crm_opportunities %}

{{ config(
    unique_key='opportunity_id', strategy='check', check_cols=['account_id', 'crm_id', 'stage', 'risk_status', 'amount_cents', 'currency', 'is_open', 'closed_at'],
    updated_at='changed_at', hard_deletes='invalidate'
) }}

-- A tool touches rows without changing them: a version begins when the content is another one.
select
    opportunity_id,
    account_id,
    crm_id,
    stage,
    risk_status,
    amount_cents,
    currency,
    is_open,
    closed_at,
    coalesce(updated_at, created_at, cast('1970-01-01' as timestamp)) as changed_at
from {{ ref('stg_crm__opportunities') }}

{% endsnapshot %}
