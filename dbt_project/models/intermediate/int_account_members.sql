with contacts as (
    select * from {{ ref('stg_crm__contacts') }}
),

accounts as (
    select * from {{ ref('stg_crm__accounts') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

memberships as (
    select
        identifiers.customer_id,
        contacts.account_id,
        min(contacts.created_at) as member_since,
        max(contacts.updated_at) as updated_at
    from contacts
    inner join accounts
        on contacts.account_id = accounts.account_id
    inner join identifiers
        on contacts.crm_id = identifiers.id_value and identifiers.id_type = 'crm_id'
    group by identifiers.customer_id, contacts.account_id
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
