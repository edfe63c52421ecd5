with as_of as (
    select * from {{ ref('int_as_of') }}
),

orders as (
    select * from {{ ref('orders') }}
),

income as (
    select * from {{ ref('income') }}
),

dates as (
    select * from {{ ref('dates') }}
),

documents as (
    select
        orders.customer_id,
        orders.kind,
        orders.revenue_cents,
        orders.margin_cents,
        cast(date_trunc('month', orders.ordered_at) as date) as month_start
    from orders
    cross join as_of
    where orders.customer_id is not null and orders.ordered_at <= as_of.as_of
),

buyers as (
    select
        income.customer_id,
        income.is_known_person,
        cast(date_trunc('month', income.received_at) as date) as cohort_month
    from income
    cross join as_of
    where income.is_first_order and income.received_at <= as_of.as_of
),

-- A guest who comes back is another guest: a cohort is of people whom something names.
cohorts as (
    select
        cohort_month,
        count(*) filter (where is_known_person) as count_customers,
        count(*) filter (where not is_known_person) as count_guests
    from buyers
    group by cohort_month
),

months as (
    select distinct month_start
    from dates
),

active as (
    select
        buyers.cohort_month,
        documents.month_start,
        count(distinct case when documents.kind = 'sale' then documents.customer_id end)
            as count_active,
        cast(sum(documents.revenue_cents) as bigint) as revenue_cents,
        cast(sum(documents.margin_cents) as bigint) as margin_cents
    from documents
    inner join buyers on documents.customer_id = buyers.customer_id
    where buyers.is_known_person and documents.month_start >= buyers.cohort_month
    group by buyers.cohort_month, documents.month_start
),

-- A month in which nobody of a cohort came back is a row too.
final as (
    select
        cohorts.cohort_month,
        cast(
            (extract(year from months.month_start) - extract(year from cohorts.cohort_month)) * 12
            + extract(month from months.month_start) - extract(month from cohorts.cohort_month)
            as bigint
        ) as months_since,
        months.month_start,
        cohorts.count_customers,
        cohorts.count_guests,
        coalesce(active.count_active, 0) as count_active,
        cast(coalesce(active.count_active, 0) as double)
        / nullif(cohorts.count_customers, 0) as retention,
        coalesce(active.revenue_cents, 0) as revenue_cents,
        active.margin_cents,
        cast(
            sum(coalesce(active.revenue_cents, 0)) over (
                partition by cohorts.cohort_month
                order by months.month_start
                rows between unbounded preceding and current row
            ) as double
        ) / nullif(cohorts.count_customers, 0) as revenue_per_customer_cents
    from cohorts
    inner join months on cohorts.cohort_month <= months.month_start
    left join active
        on
            cohorts.cohort_month = active.cohort_month
            and months.month_start = active.month_start
)

select * from final
