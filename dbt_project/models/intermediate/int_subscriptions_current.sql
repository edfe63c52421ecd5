with periods as (
    select * from {{ ref('int_subscription_periods') }}
),

as_of as (
    select * from {{ ref('int_as_of') }}
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
        periods.customer_id,
        periods.subscription_id,
        periods.plan_name,
        prices.price_cents,
        periods.currency,
        periods.started_at,
        case when periods.cancelled_at <= as_of.as_of then periods.cancelled_at end as cancelled_at,
        case when periods.cancelled_at <= as_of.as_of then periods.cancellation_reason end
            as cancellation_reason,
        case
            when periods.cancelled_at is null or periods.cancelled_at > as_of.as_of then 'active'
            else 'cancelled'
        end as state
    from periods
    cross join as_of
    left join prices
        on periods.subscription_id = prices.subscription_id
    where periods.started_at <= as_of.as_of
    qualify
        row_number() over (
            partition by periods.customer_id
            order by
                case
                    when periods.cancelled_at is null or periods.cancelled_at > as_of.as_of then 0
                    else 1
                end asc,
                periods.started_at desc nulls last,
                periods.subscription_id asc
        ) = 1
)

select * from final
