{% snapshot crm_accounts %}

{{ config(
    unique_key='account_id', strategy='check', check_cols=['account_name', 'account_type', 'industry', 'account_manager'],
    updated_at='changed_at', hard_deletes='invalidate'
) }}

-- A tool touches rows without changing them: a version begins when the content is another one.
select
    account_id,
    account_name,
    account_type,
    industry,
    account_manager,
    coalesce(updated_at, created_at, cast('1970-01-01' as timestamp)) as changed_at
from {{ ref('stg_crm__accounts') }}

{% endsnapshot %}
