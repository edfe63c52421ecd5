with contacts as (
    select * from {{ ref('int_support_contacts_identified') }}
    where {{ has_happened('contacted_at') }}
),

as_of as (
    select * from {{ ref('int_as_of') }}
),

final as (
    select
        contacts.customer_id,
        count(*) filter (where contacts.kind = 'ticket') as count_tickets,
        count(*) filter (
            where contacts.kind = 'ticket'
            and (
                contacts.status not in ('closed', 'solved')
                or contacts.solved_at > as_of.as_of
            )
        ) as count_tickets_open,
        count(*) filter (where contacts.kind = 'chat') as count_chats,
        count(*) filter (
            where contacts.contacted_at >= as_of.as_of - interval '90 days'
        ) as count_support_contacts_90d,
        max(contacts.contacted_at) as last_support_contact_at,
        max_by(
            contacts.agent_name, {{ in_order_of(['contacts.contacted_at', 'contacts.contact_id']) }}
        ) filter (where contacts.agent_name is not null and contacts.contacted_at is not null)
            as last_agent_name
    from contacts
    cross join as_of
    where contacts.customer_id is not null
    group by contacts.customer_id
)

select * from final
