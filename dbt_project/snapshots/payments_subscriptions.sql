{% snapshot payments_subscriptions %}

{{ config(
    unique_key='subscription_id', strategy='check', check_cols=['payment_id', 'plan_name', 'price_cents', 'currency', 'status', 'started_at', 'cancelled_at'],
    updated_at='changed_at', hard_deletes='invalidate', alias='subscriptions'
) }}

-- A tool touches rows without changing them: a version begins when the content is another one.
select
    subscription_id,
    payment_id,
    plan_name,
    price_cents,
    currency,
    status,
    started_at,
    cancelled_at,
    coalesce(updated_at, started_at, cast('1970-01-01' as timestamp)) as changed_at
from {{ ref('stg_payments__subscriptions') }}

{% endsnapshot %}
