{% snapshot crm_contacts %}

{{ config(
    unique_key='crm_id', strategy='check', check_cols=['account_id', 'user_id', 'email', 'phone', 'first_name', 'last_name', 'birth_date', 'account_manager'],
    updated_at='changed_at', hard_deletes='invalidate'
) }}

-- A tool touches rows without changing them: a version begins when the content is another one.
select
    crm_id,
    account_id,
    user_id,
    email,
    phone,
    first_name,
    last_name,
    birth_date,
    account_manager,
    coalesce(updated_at, created_at, cast('1970-01-01' as timestamp)) as changed_at
from {{ ref('stg_crm__contacts') }}

{% endsnapshot %}
