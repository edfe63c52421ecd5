with periods as (
    select * from {{ ref('int_subscription_periods') }}
),

as_of as (
    select * from {{ ref('int_as_of') }}
),

final as (
    select
        periods.customer_id,
        periods.subscription_id,
        periods.plan_name,
        periods.price_cents,
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
