{{ config(materialized=growing(), unique_key='customer_id', meta={'compares': true}) }}

{#- Which column of which source's rows says what of a person. Traits that no source has yet are
    added here and ruled in the var `survivorship`. -#}
{%- set claims = {
    'crm': [
        'email', 'current_email:email', 'full_name', 'first_name', 'last_name', 'phone',
        'birth_date', 'account_manager', 'account_name', 'account_id', 'customer_type',
        'company_name:account_name',
    ],
    'crm_accounts': ['account_manager:fallback_account_manager'],
    'crm_leads': ['email', 'current_email:email', 'lead_status', 'company_name'],
    'payments': ['email', 'current_email:email'],
    'events': [
        'email', 'current_email:email', 'full_name', 'first_name', 'last_name', 'phone', 'birth_date',
        'country', 'address_street', 'address_city', 'address_postal_code',
    ],
    'email': ['email', 'current_email:email'],
    'files': ['country'],
} -%}

with identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

identified as (
    select * from {{ ref('int_events_identified') }}
),

crm_contacts as (
    select * from {{ ref('stg_crm__contacts') }}
),

accounts as (
    select * from {{ ref('stg_crm__accounts') }}
),

leads as (
    select * from {{ ref('stg_crm__leads') }}
    where {{ has_happened('created_at') }}
),

payers as (
    select * from {{ ref('stg_payments__customers') }}
),

identifies as (
    select * from {{ ref('stg_events__identifies') }}
    where {{ has_happened('occurred_at') }}
),

email_contacts as (
    select * from {{ ref('stg_email__contacts') }}
),

files_customers as (
    select * from {{ ref('stg_files__customers') }}
),

crm as (
    select
        identifiers.customer_id,
        contacts.crm_id as source_id,
        contacts.updated_at as valid_at,
        contacts.created_at as known_at,
        contacts.created_at as first_at,
        contacts.email,
        nullif(
            trim(coalesce(contacts.first_name, '') || ' ' || coalesce(contacts.last_name, '')), ''
        ) as full_name,
        contacts.first_name,
        contacts.last_name,
        contacts.phone,
        contacts.birth_date,
        contacts.account_manager,
        accounts.account_manager as fallback_account_manager,
        accounts.account_id,
        accounts.account_name,
        accounts.account_type as customer_type
    from crm_contacts as contacts
    left join accounts
        on contacts.account_id = accounts.account_id
    inner join identifiers
        on contacts.crm_id = identifiers.id_value and identifiers.id_type = 'crm_id'
),

crm_accounts as (
    select * from crm
),

crm_leads as (
    select
        identifiers.customer_id,
        leads.lead_id as source_id,
        leads.updated_at as valid_at,
        leads.created_at as known_at,
        leads.created_at as first_at,
        leads.email,
        leads.status as lead_status,
        leads.company_name
    from leads
    inner join identifiers
        on leads.email = identifiers.id_value and identifiers.id_type = 'email'
),

payments as (
    select
        identifiers.customer_id,
        payers.payment_id as source_id,
        payers.updated_at as valid_at,
        payers.created_at as known_at,
        payers.created_at as first_at,
        payers.email
    from payers
    inner join identifiers
        on payers.payment_id = identifiers.id_value and identifiers.id_type = 'payment_id'
),

events as (
    select
        identified.customer_id,
        identifies.message_id as source_id,
        identifies.occurred_at as valid_at,
        identifies.known_at,
        identifies.occurred_at as first_at,
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
        identifies.country,
        identifies.address_street,
        identifies.address_city,
        identifies.address_postal_code
    from identifies
    inner join identified
        on identifies.source = identified.source and identifies.message_id = identified.message_id
    where identified.customer_id is not null
),

email as (
    select
        identifiers.customer_id,
        contacts.email_contact_id as source_id,
        contacts.created_at as valid_at,
        contacts.created_at as known_at,
        contacts.created_at as first_at,
        contacts.email
    from email_contacts as contacts
    inner join identifiers
        on contacts.email = identifiers.id_value and identifiers.id_type = 'email'
),

files as (
    select
        identifiers.customer_id,
        files_customers.user_id as source_id,
        files_customers.first_seen_at as valid_at,
        files_customers.first_seen_at as known_at,
        files_customers.first_seen_at as first_at,
        files_customers.country
    from files_customers
    inner join identifiers
        on files_customers.user_id = identifiers.id_value and identifiers.id_type = 'user_id'
),

-- A login is an identify call of somebody with an id: the last one is all that anybody asks for.
logins as (
    select
        identified.customer_id,
        max(identifies.occurred_at) as last_login_at,
        max(identifies.known_at) as known_at
    from identifies
    inner join identified
        on identifies.source = identified.source and identifies.message_id = identified.message_id
    where identifies.user_id is not null and identified.customer_id is not null
    group by identified.customer_id
),

claims as (
    {% for source, traits in claims.items() %}
        {% for trait in traits %}
            {% set name, _, column = trait.partition(':') %}
            select
                customer_id,
                '{{ name }}' as trait,
                cast({{ column or name }} as string) as trait_value,
                '{{ source }}' as source_name,
                source_id,
                valid_at,
                known_at
            from {{ source }}
            where {{ column or name }} is not null
            union all
        {% endfor %}
        select
            customer_id,
            'registered_at' as trait,
            cast(min(first_at) as string) as trait_value,
            '{{ source }}' as source_name,
            cast(null as string) as source_id,
            min(first_at) as valid_at,
            min(known_at) as known_at
        from {{ source }}
        where first_at is not null and {{ has_happened('first_at') }}
        group by customer_id
        union all
    {% endfor %}
    select
        customer_id,
        'last_login_at' as trait,
        cast(last_login_at as string) as trait_value,
        'events' as source_name,
        cast(null as string) as source_id,
        last_login_at as valid_at,
        known_at
    from logins
),

-- An e-mail address counts only for the person whom identity resolution gives it to.
owned as (
    select claims.*
    from claims
    left join identifiers as owned_emails
        on
            claims.trait_value = owned_emails.id_value
            and claims.customer_id = owned_emails.customer_id
            and owned_emails.id_type = 'email'
    where claims.trait not in ('email', 'current_email') or owned_emails.customer_id is not null
),

-- A telephone number as somebody typed it: at its end stands the number at the person's that
-- identity resolution has.
typed_numbers as (
    select
        customer_id,
        trait_value,
        {{ dialled_digits('trait_value') }} as digits
    from owned
    where trait = 'phone'
    group by customer_id, trait_value
),

numbers as (
    select
        typed_numbers.customer_id,
        typed_numbers.trait_value,
        min(split_part(phones.id_value, '/', 1)) as phone
    from typed_numbers
    inner join identifiers as phones
        on
            typed_numbers.customer_id = phones.customer_id
            -- a household's number is one of them's, with the name everybody's
            and phones.id_type in ('phone', 'named_phone')
            and right(split_part(phones.id_value, '/', 1), length(typed_numbers.digits))
            = typed_numbers.digits
    where length(typed_numbers.digits) >= 7
    group by typed_numbers.customer_id, typed_numbers.trait_value
),

spelled as (
    select
        owned.customer_id,
        owned.trait,
        coalesce(numbers.phone, owned.trait_value) as trait_value,
        owned.source_name,
        owned.source_id,
        owned.valid_at,
        owned.known_at
    from owned
    left join numbers
        on
            owned.customer_id = numbers.customer_id
            and owned.trait_value = numbers.trait_value
            and owned.trait = 'phone'
),

-- A source that says the same again says it once, from the first time to the last.
final as (
    select
        customer_id,
        trait,
        trait_value,
        source_name,
        source_id,
        valid_at,
        known_at,
        min(valid_at) over (
            partition by customer_id, trait, source_name, trait_value
        ) as first_valid_at
    from spelled
    qualify
        row_number() over (
            partition by customer_id, trait, source_name, trait_value
            order by valid_at desc nulls last, source_id asc nulls last, known_at asc nulls last
        ) = 1
)

select * from final
