{%- set read = {
    'subscription_id': 'string', 'price_cents': 'bigint', 'dbt_scd_id': 'string',
    'dbt_valid_from': 'timestamp', 'dbt_valid_to': 'timestamp',
} -%}

with periods as (
    select * from {{ ref('int_subscription_periods') }}
),

versions as (
    select
        subscription_id,
        price_cents,
        dbt_valid_from as valid_from,
        lag(price_cents) over (
            partition by subscription_id
            order by dbt_valid_from asc, dbt_valid_to asc nulls last, dbt_scd_id asc
        ) as previous_price_cents
    from {{ versions_seen(ref('payments_subscriptions'), read) }}
    where price_cents is not null
),

changes as (
    select
        subscription_id,
        price_cents,
        valid_from,
        previous_price_cents is null as is_first
    from versions
    where previous_price_cents is null or previous_price_cents <> price_cents
),

-- What was paid before the first snapshot nobody knows: the earliest price that is known holds.
dated as (
    select
        periods.subscription_id,
        periods.customer_id,
        periods.currency,
        periods.cancelled_at,
        changes.valid_from,
        coalesce(changes.price_cents, periods.price_cents) as price_cents,
        case
            when coalesce(changes.is_first, true) then periods.started_at
            else greatest(changes.valid_from, periods.started_at)
        end as started_at
    from periods
    left join changes
        on periods.subscription_id = changes.subscription_id
    where
        coalesce(changes.is_first, true)
        or periods.cancelled_at is null
        or changes.valid_from < periods.cancelled_at
),

-- Of several changes before the start the last one counts.
stretches as (
    select *
    from dated
    qualify
        row_number() over (
            partition by subscription_id, started_at
            order by valid_from desc nulls last, price_cents asc
        ) = 1
),

final as (
    select
        md5(subscription_id || ':' || cast(started_at as string)) as subscription_price_id,
        subscription_id,
        customer_id,
        price_cents,
        currency,
        started_at,
        coalesce(
            lead(started_at) over (partition by subscription_id order by started_at asc),
            cancelled_at
        ) as ended_at
    from stretches
)

select * from final
