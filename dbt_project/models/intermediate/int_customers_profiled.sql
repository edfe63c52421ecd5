with identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

contacts as (
    select * from {{ ref('stg_crm__contacts') }}
),

accounts as (
    select * from {{ ref('stg_crm__accounts') }}
),

payers as (
    select * from {{ ref('stg_payments__customers') }}
),

identifies as (
    select * from {{ ref('stg_events__identifies') }}
),

identified as (
    select * from {{ ref('int_events_identified') }}
),

files_customers as (
    select * from {{ ref('stg_files__customers') }}
),

-- What each source says about a person: rank 1 is believed first, within a rank the latest.
claims as (
    select
        1 as source_rank,
        'crm' as source_name,
        identifiers.customer_id,
        contacts.email,
        nullif(
            trim(coalesce(contacts.first_name, '') || ' ' || coalesce(contacts.last_name, '')), ''
        ) as full_name,
        contacts.first_name,
        contacts.last_name,
        contacts.phone,
        contacts.birth_date,
        contacts.created_at as birth_date_known_at,
        cast(null as string) as country,
        coalesce(contacts.account_manager, accounts.account_manager) as account_manager,
        accounts.account_name,
        accounts.account_type as customer_type,
        contacts.updated_at as claimed_at,
        contacts.crm_id as claim_id
    from contacts
    left join accounts
        on contacts.account_id = accounts.account_id
    inner join identifiers
        on contacts.crm_id = identifiers.id_value and identifiers.id_type = 'crm_id'
    union all
    select
        2 as source_rank,
        'payments' as source_name,
        identifiers.customer_id,
        payers.email,
        cast(null as string) as full_name,
        cast(null as string) as first_name,
        cast(null as string) as last_name,
        cast(null as string) as phone,
        cast(null as date) as birth_date,
        cast(null as timestamp) as birth_date_known_at,
        cast(null as string) as country,
        cast(null as string) as account_manager,
        cast(null as string) as account_name,
        cast(null as string) as customer_type,
        payers.updated_at as claimed_at,
        payers.payment_id as claim_id
    from payers
    inner join identifiers
        on payers.payment_id = identifiers.id_value and identifiers.id_type = 'payment_id'
    union all
    select
        3 as source_rank,
        'events' as source_name,
        identified.customer_id,
        identifies.email,
        coalesce(
            identifies.full_name,
            nullif(
                trim(
                    coalesce(identifies.first_name, '') || ' ' || coalesce(identifies.last_name, '')
                ),
                ''
            )
        ) as full_name,
        identifies.first_name,
        identifies.last_name,
        identifies.phone,
        identifies.birth_date,
        identifies.known_at as birth_date_known_at,
        identifies.country,
        cast(null as string) as account_manager,
        cast(null as string) as account_name,
        cast(null as string) as customer_type,
        identifies.occurred_at as claimed_at,
        identifies.message_id as claim_id
    from identifies
    inner join identified
        on identifies.source = identified.source and identifies.message_id = identified.message_id
    where identified.customer_id is not null
    union all
    select
        4 as source_rank,
        'files' as source_name,
        identifiers.customer_id,
        cast(null as string) as email,
        cast(null as string) as full_name,
        cast(null as string) as first_name,
        cast(null as string) as last_name,
        cast(null as string) as phone,
        cast(null as date) as birth_date,
        cast(null as timestamp) as birth_date_known_at,
        files_customers.country,
        cast(null as string) as account_manager,
        cast(null as string) as account_name,
        cast(null as string) as customer_type,
        files_customers.first_seen_at as claimed_at,
        files_customers.user_id as claim_id
    from files_customers
    inner join identifiers
        on files_customers.user_id = identifiers.id_value and identifiers.id_type = 'user_id'
),

-- An e-mail address counts only for the person whom identity resolution gives it to.
ranked as (
    select
        claims.*,
        owned_emails.id_value as owned_email,
        row_number() over (
            partition by claims.customer_id
            order by claims.source_rank asc, claims.claimed_at desc nulls last, claims.claim_id asc
        ) as belief
    from claims
    left join identifiers as owned_emails
        on
            claims.email = owned_emails.id_value
            and claims.customer_id = owned_emails.customer_id
            and owned_emails.id_type = 'email'
),

final as (
    select
        customer_id,
        min_by(owned_email, belief) filter (where owned_email is not null) as email,
        min_by(source_name, belief) filter (where owned_email is not null) as email_source,
        min_by(full_name, belief) filter (where full_name is not null) as full_name,
        min_by(first_name, belief) filter (where first_name is not null) as first_name,
        min_by(last_name, belief) filter (where last_name is not null) as last_name,
        min_by(phone, belief) filter (where phone is not null) as phone,
        min_by(birth_date, belief) filter (where birth_date is not null) as birth_date,
        min_by(source_name, belief) filter (where birth_date is not null) as birth_date_source,
        min_by(birth_date_known_at, belief) filter (where birth_date is not null)
            as birth_date_known_at,
        min_by(country, belief) filter (where country is not null) as country,
        min_by(account_manager, belief) filter (where account_manager is not null)
            as account_manager,
        min_by(account_name, belief) filter (where account_name is not null) as account_name,
        min_by(customer_type, belief) filter (where customer_type is not null) as customer_type
    from ranked
    group by customer_id
)

select * from final
