with tickets as (
    select * from {{ ref('stg_support__tickets') }}
),

conversations as (
    select * from {{ ref('stg_contact_centre__conversations') }}
),

agents as (
    select * from {{ ref('stg_support__agents') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

-- A ticket is known when it is opened; what changes later (status, satisfaction) is current state.
contacts as (
    select
        'ticket' as kind,
        ticket_id as contact_id,
        user_id,
        email,
        created_at as contacted_at,
        created_at as known_at,
        topic,
        status,
        solved_at,
        satisfaction,
        agent_id
    from tickets
    union all
    select
        'chat' as kind,
        conversation_id as contact_id,
        user_id,
        email,
        started_at as contacted_at,
        known_at,
        cast(null as string) as topic,
        cast(null as string) as status,
        cast(null as timestamp) as solved_at,
        cast(null as string) as satisfaction,
        cast(null as string) as agent_id
    from conversations
),

final as (
    select
        contacts.kind,
        contacts.contact_id,
        coalesce(logins.customer_id, emails.customer_id) as customer_id,
        contacts.contacted_at,
        contacts.known_at,
        contacts.topic,
        contacts.status,
        contacts.solved_at,
        contacts.satisfaction,
        agents.agent_name
    from contacts
    left join identifiers as logins
        on contacts.user_id = logins.id_value and logins.id_type = 'user_id'
    left join identifiers as emails
        on contacts.email = emails.id_value and emails.id_type = 'email'
    left join agents
        on contacts.agent_id = agents.agent_id
)

select * from final
