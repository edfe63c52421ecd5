with identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

events as (
    select * from {{ ref('int_events_identified') }}
    where {{ has_happened('occurred_at') }}
),

orders as (
    select * from {{ ref('int_orders_unioned') }}
    where {{ has_happened('ordered_at') }}
),

files_customers as (
    select * from {{ ref('stg_files__customers') }}
    where {{ has_happened('first_seen_at') }}
),

contacts as (
    select * from {{ ref('stg_crm__contacts') }}
    where {{ has_happened('created_at') }}
),

leads as (
    select * from {{ ref('stg_crm__leads') }}
    where {{ has_happened('created_at') }}
),

subscribers as (
    select * from {{ ref('stg_email__contacts') }}
    where {{ has_happened('created_at') }}
),

addresses as (
    select
        email,
        created_at
    from leads
    union all
    select
        email,
        created_at
    from subscribers
),

moments as (
    select
        customer_id,
        min(occurred_at) as first_at,
        min(greatest(occurred_at, known_at)) as first_known_at,
        max(occurred_at) as last_at
    from events
    group by customer_id
    union all
    select
        customer_id,
        min(ordered_at) as first_at,
        min(greatest(ordered_at, known_at)) as first_known_at,
        max(ordered_at) as last_at
    from orders
    group by customer_id
    union all
    select
        identifiers.customer_id,
        min(files_customers.first_seen_at) as first_at,
        min(files_customers.first_seen_at) as first_known_at,
        cast(null as timestamp) as last_at
    from files_customers
    inner join identifiers
        on files_customers.user_id = identifiers.id_value and identifiers.id_type = 'user_id'
    group by identifiers.customer_id
    union all
    select
        identifiers.customer_id,
        min(contacts.created_at) as first_at,
        min(contacts.created_at) as first_known_at,
        cast(null as timestamp) as last_at
    from contacts
    inner join identifiers
        on contacts.crm_id = identifiers.id_value and identifiers.id_type = 'crm_id'
    group by identifiers.customer_id
    union all
    select
        identifiers.customer_id,
        min(addresses.created_at) as first_at,
        min(addresses.created_at) as first_known_at,
        cast(null as timestamp) as last_at
    from addresses
    inner join identifiers
        on addresses.email = identifiers.id_value and identifiers.id_type = 'email'
    group by identifiers.customer_id
),

final as (
    select
        customer_id,
        min(first_at) as first_seen_at,
        min(first_known_at) as first_known_at,
        coalesce(max(last_at), min(first_at)) as last_seen_at
    from moments
    where customer_id is not null
    group by customer_id
)

select * from final
