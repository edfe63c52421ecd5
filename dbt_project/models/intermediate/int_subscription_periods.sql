with payments_subscriptions as (
    select * from {{ ref('stg_payments__subscriptions') }}
),

events_subscriptions as (
    select * from {{ ref('stg_events__subscriptions') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

from_events as (
    select
        events_subscriptions.subscription_id,
        min(coalesce(logins.customer_id, devices.customer_id)) as customer_id,
        min(events_subscriptions.plan_name) as plan_name,
        min(events_subscriptions.price_cents) as price_cents,
        min(events_subscriptions.currency) as currency,
        min(events_subscriptions.occurred_at) filter (
            where events_subscriptions.change_kind = 'started'
        ) as started_at,
        min(events_subscriptions.known_at) filter (
            where events_subscriptions.change_kind = 'started'
        ) as known_at,
        min(events_subscriptions.occurred_at) filter (
            where events_subscriptions.change_kind = 'cancelled'
        ) as cancelled_at,
        min(events_subscriptions.known_at) filter (
            where events_subscriptions.change_kind = 'cancelled'
        ) as cancellation_known_at,
        max(events_subscriptions.reason) filter (
            where events_subscriptions.change_kind = 'cancelled'
        ) as cancellation_reason
    from events_subscriptions
    left join identifiers as logins
        on events_subscriptions.user_id = logins.id_value and logins.id_type = 'user_id'
    left join identifiers as devices
        on events_subscriptions.anonymous_id = devices.id_value and devices.id_type = 'anonymous_id'
    where events_subscriptions.subscription_id is not null
    group by events_subscriptions.subscription_id
),

from_payments as (
    select
        payments_subscriptions.subscription_id,
        payers.customer_id,
        payments_subscriptions.plan_name,
        payments_subscriptions.price_cents,
        payments_subscriptions.currency,
        payments_subscriptions.started_at,
        payments_subscriptions.cancelled_at
    from payments_subscriptions
    left join identifiers as payers
        on payments_subscriptions.payment_id = payers.id_value and payers.id_type = 'payment_id'
),

-- The books' row is the current state, so of it only what happened at a time of its own is used:
-- the start and the cancellation. Both were known to the books when they happened.
merged as (
    select
        coalesce(from_payments.subscription_id, from_events.subscription_id) as subscription_id,
        coalesce(from_payments.customer_id, from_events.customer_id) as customer_id,
        coalesce(from_payments.plan_name, from_events.plan_name) as plan_name,
        coalesce(from_payments.price_cents, from_events.price_cents) as price_cents,
        coalesce(from_payments.currency, from_events.currency) as currency,
        coalesce(from_payments.started_at, from_events.started_at) as started_at,
        coalesce(from_payments.started_at, from_events.known_at) as known_at,
        coalesce(from_payments.cancelled_at, from_events.cancelled_at) as cancelled_at,
        coalesce(from_payments.cancelled_at, from_events.cancellation_known_at)
            as cancellation_known_at,
        from_events.cancellation_reason
    from from_payments
    full outer join from_events
        on from_payments.subscription_id = from_events.subscription_id
),

final as (
    select *
    from merged
    where started_at is not null and customer_id is not null
)

select * from final
