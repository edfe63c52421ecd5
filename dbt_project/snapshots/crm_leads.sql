{% snapshot crm_leads %}

{{ config(
    unique_key='lead_id', strategy='check', check_cols=['email', 'company_name', 'status', 'is_qualified', 'lead_owner'],
    updated_at='changed_at', hard_deletes='invalidate'
) }}

-- A tool touches rows without changing them: a version begins when the content is another one.
select
    lead_id,
    email,
    company_name,
    status,
    is_qualified,
    lead_owner,
    coalesce(updated_at, created_at, cast('1970-01-01' as timestamp)) as changed_at
from {{ ref('stg_crm__leads') }}

{% endsnapshot %}
