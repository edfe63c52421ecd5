with prices as (
    select * from {{ ref('int_subscription_prices') }}
),

dates as (
    select * from {{ ref('dates') }}
),

as_of as (
    select * from {{ ref('int_as_of') }}
),

-- A month is looked at as it ends; the running one as it is now.
months as (
    select distinct
        dates.month_start,
        least(cast(dates.month_start as timestamp) + interval '1 month', as_of.as_of)
            as observed_at
    from dates
    cross join as_of
),

firsts as (
    select
        customer_id,
        min(started_at) as first_started_at
    from prices
    group by customer_id
),

monthly as (
    select
        firsts.customer_id,
        months.month_start,
        cast(
            coalesce(
                sum(prices.price_cents) filter (
                    where prices.started_at <= months.observed_at
                    and (prices.ended_at is null or prices.ended_at > months.observed_at)
                    and {{ in_company_currency('prices.currency') }}
                ),
                0
            ) as bigint
        ) as mrr_cents,
        max(prices.currency) as currency
    from firsts
    inner join months
        on firsts.first_started_at <= months.observed_at
    inner join prices
        on firsts.customer_id = prices.customer_id
    group by firsts.customer_id, months.month_start
),

compared as (
    select
        *,
        coalesce(
            lag(mrr_cents) over (partition by customer_id order by month_start asc), 0
        ) as previous_mrr_cents,
        coalesce(
            max(mrr_cents) over (
                partition by customer_id
                order by month_start asc
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as highest_mrr_cents
    from monthly
),

final as (
    select
        customer_id,
        month_start,
        mrr_cents,
        previous_mrr_cents,
        mrr_cents - previous_mrr_cents as change_cents,
        case
            when previous_mrr_cents = 0 and highest_mrr_cents = 0 then 'new'
            when previous_mrr_cents = 0 then 'reactivation'
            when mrr_cents = 0 then 'churn'
            when mrr_cents > previous_mrr_cents then 'expansion'
            when mrr_cents < previous_mrr_cents then 'contraction'
            else 'kept'
        end as movement,
        currency
    from compared
    where mrr_cents > 0 or previous_mrr_cents > 0
)

select * from final
