-- Point in time: a fact counts only when its event time AND the time it could be known lie before
-- the observation.
with observations as (
    select * from {{ ref('int_observations') }}
),

orders as (
    select * from {{ ref('int_orders_unioned') }}
),

order_lines as (
    select * from {{ ref('int_order_lines_unioned') }}
),

sessions as (
    select * from {{ ref('sessions') }}
),

support_contacts as (
    select * from {{ ref('int_support_contacts_identified') }}
),

mailings as (
    select * from {{ ref('customer_journey') }}
    where kind in ('email_open', 'email_click')
),

periods as (
    select * from {{ ref('int_subscription_periods') }}
),

prices as (
    select * from {{ ref('int_subscription_prices') }}
),

profiles as (
    select * from {{ ref('int_customers_profiled') }}
),

seen as (
    select * from {{ ref('int_customers_seen') }}
),

order_features as (
    select
        orders.customer_id,
        observations.observation_date,
        count(*) filter (where orders.kind = 'sale') as count_orders,
        count(*) filter (
            where orders.kind = 'sale'
            and orders.ordered_at >= observations.observed_at - interval '30 days'
        ) as count_orders_30d,
        count(*) filter (
            where orders.kind = 'sale'
            and orders.ordered_at >= observations.observed_at - interval '90 days'
        ) as count_orders_90d,
        count(distinct cast(orders.ordered_at as date)) filter (
            where orders.kind = 'sale'
        ) as count_days_with_orders,
        count(*) filter (where orders.kind = 'refund') as count_refunds,
        count(*) filter (where orders.kind = 'cancellation') as count_cancellations,
        cast(sum(orders.total_cents) filter (
            where {{ in_company_currency('orders.currency') }}
        ) as bigint) as revenue_cents,
        avg(orders.total_cents) filter (
            where orders.kind = 'sale'
            and orders.total_cents <> 0
            and {{ in_company_currency('orders.currency') }}
        ) as average_order_cents,
        avg(cast(case when orders.coupon_code is null then 0 else 1 end as double)) filter (
            where orders.kind = 'sale'
        ) as share_coupon_orders,
        min(orders.ordered_at) filter (where orders.kind = 'sale') as first_order_at,
        max(orders.ordered_at) filter (where orders.kind = 'sale') as last_order_at
    from orders
    inner join observations
        on
            orders.ordered_at < observations.observed_at
            and orders.known_at < observations.observed_at
    where orders.customer_id is not null
    group by orders.customer_id, observations.observation_date
),

-- What was new to a person, and since when it could be known.
first_products as (
    select
        customer_id,
        product_id,
        min(greatest(ordered_at, known_at)) as first_at
    from order_lines
    where customer_id is not null and kind = 'sale'
    group by customer_id, product_id
),

first_categories as (
    select
        customer_id,
        category,
        min(greatest(ordered_at, known_at)) as first_at
    from order_lines
    where customer_id is not null and kind = 'sale' and category is not null
    group by customer_id, category
),

product_features as (
    select
        first_products.customer_id,
        observations.observation_date,
        count(*) as count_products
    from first_products
    inner join observations
        on first_products.first_at < observations.observed_at
    group by first_products.customer_id, observations.observation_date
),

category_features as (
    select
        first_categories.customer_id,
        observations.observation_date,
        count(*) as count_categories
    from first_categories
    inner join observations
        on first_categories.first_at < observations.observed_at
    group by first_categories.customer_id, observations.observation_date
),

subscription_features as (
    select
        periods.customer_id,
        observations.observation_date,
        count(*) as count_subscriptions,
        count(*) filter (
            where
            periods.cancelled_at is null
            or periods.cancelled_at >= observations.observed_at
            or periods.cancellation_known_at >= observations.observed_at
        ) as count_subscriptions_active,
        max(periods.started_at) as last_started_at
    from periods
    inner join observations
        on
            periods.started_at < observations.observed_at
            and periods.known_at < observations.observed_at
    group by periods.customer_id, observations.observation_date
),

-- The price at that time, not today's.
price_features as (
    select
        periods.customer_id,
        observations.observation_date,
        max_by(
            prices.price_cents,
            {{ in_order_of(['periods.started_at', 'prices.started_at', 'prices.price_cents']) }}
        ) filter (where prices.price_cents is not null) as plan_price_cents
    from periods
    inner join prices
        on periods.subscription_id = prices.subscription_id
    inner join observations
        on
            prices.started_at < observations.observed_at
            and periods.known_at < observations.observed_at
    group by periods.customer_id, observations.observation_date
),

session_features as (
    select
        sessions.customer_id,
        observations.observation_date,
        count(*) as count_sessions,
        count(*) filter (
            where sessions.started_at >= observations.observed_at - interval '7 days'
        ) as count_sessions_7d,
        count(*) filter (
            where sessions.started_at >= observations.observed_at - interval '30 days'
        ) as count_sessions_30d,
        count(*) filter (
            where sessions.started_at >= observations.observed_at - interval '90 days'
        ) as count_sessions_90d,
        max(sessions.started_at) as last_session_at
    from sessions
    inner join observations
        on
            sessions.started_at < observations.observed_at
            and sessions.known_at < observations.observed_at
    group by sessions.customer_id, observations.observation_date
),

support_features as (
    select
        support_contacts.customer_id,
        observations.observation_date,
        count(*) filter (where support_contacts.kind = 'ticket') as count_tickets,
        count(*) filter (
            where
            support_contacts.kind = 'ticket'
            and support_contacts.contacted_at >= observations.observed_at - interval '30 days'
        ) as count_tickets_30d,
        count(*) filter (where support_contacts.kind = 'chat') as count_chats,
        count(*) filter (
            where
            support_contacts.kind = 'chat'
            and support_contacts.contacted_at >= observations.observed_at - interval '30 days'
        ) as count_chats_30d,
        max(support_contacts.contacted_at) as last_support_contact_at
    from support_contacts
    inner join observations
        on
            support_contacts.contacted_at < observations.observed_at
            and support_contacts.known_at < observations.observed_at
    where support_contacts.customer_id is not null
    group by support_contacts.customer_id, observations.observation_date
),

email_features as (
    select
        mailings.customer_id,
        observations.observation_date,
        count(*) filter (
            where mailings.kind = 'email_open'
            and mailings.occurred_at >= observations.observed_at - interval '30 days'
        ) as count_email_opens_30d,
        count(*) filter (where mailings.kind = 'email_open') as count_email_opens_90d,
        count(*) filter (
            where mailings.kind = 'email_click'
            and mailings.occurred_at >= observations.observed_at - interval '30 days'
        ) as count_email_clicks_30d,
        count(*) filter (where mailings.kind = 'email_click') as count_email_clicks_90d
    from mailings
    inner join observations
        on
            mailings.occurred_at < observations.observed_at
            and mailings.known_at < observations.observed_at
            and mailings.occurred_at >= observations.observed_at - interval '90 days'
    group by mailings.customer_id, observations.observation_date
),

-- Who has something to lose on that day: a first sale or a first subscription.
population as (
    select
        customer_id,
        observation_date
    from order_features
    where count_orders > 0
    union
    select
        customer_id,
        observation_date
    from subscription_features
),

final as (
    select
        population.customer_id,
        population.observation_date,
        observations.observed_at,
        observations.is_scoring,
        coalesce(order_features.count_orders, 0) as count_orders,
        coalesce(order_features.count_orders_30d, 0) as count_orders_30d,
        coalesce(order_features.count_orders_90d, 0) as count_orders_90d,
        coalesce(order_features.count_days_with_orders, 0) as count_days_with_orders,
        coalesce(order_features.count_refunds, 0) as count_refunds,
        coalesce(order_features.count_cancellations, 0) as count_cancellations,
        order_features.revenue_cents,
        order_features.average_order_cents,
        order_features.share_coupon_orders,
        {{ days_between('order_features.first_order_at', 'observations.observed_at') }}
            as days_since_first_order,
        {{ days_between('order_features.last_order_at', 'observations.observed_at') }}
            as days_since_last_order,
        coalesce(category_features.count_categories, 0) as count_categories,
        coalesce(product_features.count_products, 0) as count_products,
        coalesce(subscription_features.count_subscriptions_active, 0) > 0 as is_subscriber,
        coalesce(subscription_features.count_subscriptions, 0) as count_subscriptions,
        {{ days_between('subscription_features.last_started_at', 'observations.observed_at') }}
            as subscription_age_days,
        price_features.plan_price_cents,
        coalesce(session_features.count_sessions, 0) as count_sessions,
        coalesce(session_features.count_sessions_7d, 0) as count_sessions_7d,
        coalesce(session_features.count_sessions_30d, 0) as count_sessions_30d,
        coalesce(session_features.count_sessions_90d, 0) as count_sessions_90d,
        {{ days_between('session_features.last_session_at', 'observations.observed_at') }}
            as days_since_last_session,
        coalesce(support_features.count_tickets, 0) as count_tickets,
        coalesce(support_features.count_tickets_30d, 0) as count_tickets_30d,
        coalesce(support_features.count_chats, 0) as count_chats,
        coalesce(support_features.count_chats_30d, 0) as count_chats_30d,
        {{ days_between('support_features.last_support_contact_at', 'observations.observed_at') }}
            as days_since_last_support_contact,
        coalesce(email_features.count_email_opens_30d, 0) as count_email_opens_30d,
        coalesce(email_features.count_email_opens_90d, 0) as count_email_opens_90d,
        coalesce(email_features.count_email_clicks_30d, 0) as count_email_clicks_30d,
        coalesce(email_features.count_email_clicks_90d, 0) as count_email_clicks_90d,
        case
            when seen.first_known_at < observations.observed_at
                then {{ days_between('seen.first_known_at', 'observations.observed_at') }}
        end as tenure_days,
        case
            when profiles.birth_date_known_at < observations.observed_at
                then {{ whole_years('profiles.birth_date', 'observations.observed_at') }}
        end as age_years
    from population
    inner join observations
        on population.observation_date = observations.observation_date
    left join order_features
        on
            population.customer_id = order_features.customer_id
            and population.observation_date = order_features.observation_date
    left join product_features
        on
            population.customer_id = product_features.customer_id
            and population.observation_date = product_features.observation_date
    left join category_features
        on
            population.customer_id = category_features.customer_id
            and population.observation_date = category_features.observation_date
    left join subscription_features
        on
            population.customer_id = subscription_features.customer_id
            and population.observation_date = subscription_features.observation_date
    left join price_features
        on
            population.customer_id = price_features.customer_id
            and population.observation_date = price_features.observation_date
    left join session_features
        on
            population.customer_id = session_features.customer_id
            and population.observation_date = session_features.observation_date
    left join support_features
        on
            population.customer_id = support_features.customer_id
            and population.observation_date = support_features.observation_date
    left join email_features
        on
            population.customer_id = email_features.customer_id
            and population.observation_date = email_features.observation_date
    left join seen
        on population.customer_id = seen.customer_id
    left join profiles
        on population.customer_id = profiles.customer_id
)

select * from final
