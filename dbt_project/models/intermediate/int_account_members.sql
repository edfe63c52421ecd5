with contacts as (
    select * from {{ ref('stg_crm__contacts') }}
),

accounts as (
    select * from {{ ref('stg_crm__accounts') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

told as (
    select
        identifiers.customer_id,
        contacts.account_id,
        contacts.created_at,
        contacts.updated_at
    from contacts
    inner join identifiers
        on contacts.crm_id = identifiers.id_value and identifiers.id_type = 'crm_id'
    union all
    select
        customer_id,
        account_id,
        cast(null as timestamp) as created_at,
        cast(null as timestamp) as updated_at
    from {{ ref('stg_identity__account_members') }}
),

memberships as (
    select
        told.customer_id,
        told.account_id,
        min(told.created_at) as member_since,
        max(told.updated_at) as updated_at
    from told
    inner join accounts
        on told.account_id = accounts.account_id
    where told.customer_id is not null
    group by told.customer_id, told.account_id
),

-- Who has contacts at several organisations belongs to that of the contact that changed last.
final as (
    select
        customer_id,
        account_id,
        member_since,
        row_number() over (
            partition by customer_id
            order by updated_at desc nulls last, account_id asc
        ) = 1 as is_current
    from memberships
)

select * from final
