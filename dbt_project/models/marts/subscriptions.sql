with periods as (
    select * from {{ ref('int_subscription_periods') }}
),

invoices as (
    select * from {{ ref('stg_payments__invoices') }}
),

as_of as (
    select * from {{ ref('int_as_of') }}
),

invoiced as (
    select
        invoices.subscription_id,
        count(*) as count_invoices,
        count(*) filter (where invoices.paid_at is null) as count_invoices_unpaid,
        sum(invoices.amount_cents) filter (where invoices.paid_at is not null) as paid_cents,
        max(invoices.issued_at) as last_invoice_at
    from invoices
    cross join as_of
    where invoices.issued_at <= as_of.as_of
    group by invoices.subscription_id
),

-- A price of later than «now» is none yet.
prices as (
    select
        subscription_id,
        max_by(price_cents, started_at) filter (where price_cents is not null) as price_cents
    from {{ ref('int_subscription_prices') }}
    where {{ has_happened('started_at') }}
    group by subscription_id
),

final as (
    select
        periods.subscription_id,
        periods.customer_id,
        periods.plan_name,
        prices.price_cents,
        periods.currency,
        periods.started_at,
        case when periods.cancelled_at <= as_of.as_of then periods.cancelled_at end as cancelled_at,
        case when periods.cancelled_at <= as_of.as_of then periods.cancellation_reason end
            as cancellation_reason,
        case when periods.cancelled_at <= as_of.as_of then 'cancelled' else 'active' end as state,
        case
            when periods.cancelled_at <= as_of.as_of then 0
            when not {{ in_company_currency('periods.currency') }} then 0
            else coalesce(prices.price_cents, 0)
        end as mrr_cents,
        {{ days_between(
            'periods.started_at', 'least(coalesce(periods.cancelled_at, as_of.as_of), as_of.as_of)'
        ) }} as count_days_active,
        coalesce(invoiced.count_invoices, 0) as count_invoices,
        coalesce(invoiced.count_invoices_unpaid, 0) as count_invoices_unpaid,
        cast(coalesce(invoiced.paid_cents, 0) as bigint) as paid_cents,
        invoiced.last_invoice_at
    from periods
    cross join as_of
    left join prices
        on periods.subscription_id = prices.subscription_id
    left join invoiced
        on periods.subscription_id = invoiced.subscription_id
    where periods.started_at <= as_of.as_of
)

select * from final
