with orders as (
    select * from {{ ref('orders') }}
),

invoices as (
    select * from {{ ref('stg_payments__invoices') }}
),

subscriptions as (
    select * from {{ ref('int_subscription_periods') }}
),

customers as (
    select * from {{ ref('customer_360') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

received as (
    select
        order_id as source_id,
        'order' as revenue_stream,
        kind,
        customer_id,
        ordered_at as received_at,
        revenue_cents as amount_cents,
        kind = 'sale' as is_sale
    from orders
    union all
    select
        invoices.invoice_id as source_id,
        'subscription' as revenue_stream,
        'invoice' as kind,
        subscriptions.customer_id,
        invoices.paid_at as received_at,
        case when {{ in_company_currency('invoices.currency') }} then invoices.amount_cents end
            as amount_cents,
        false as is_sale
    from invoices
    left join subscriptions on invoices.subscription_id = subscriptions.subscription_id
    where invoices.paid_at is not null
),

-- Who is known by a browser or a device alone is another person at the next visit.
known as (
    select distinct customer_id
    from identifiers
    where
        id_type not in (
            'customer_id'
            {%- for id_type in company_var('guest_id_types') %}, '{{ id_type }}'{% endfor %}
        )
),

described as (
    select
        received.*,
        customers.customer_type,
        known.customer_id is not null as is_known_person,
        row_number() over (
            partition by received.customer_id
            order by received.received_at, received.revenue_stream, received.source_id
        ) = 1 and received.customer_id is not null as is_first_payment,
        row_number() over (
            partition by received.customer_id, received.is_sale
            order by received.received_at, received.source_id
        ) = 1 and received.customer_id is not null and received.is_sale as is_first_order
    from received
    left join customers on received.customer_id = customers.customer_id
    left join known on received.customer_id = known.customer_id
),

final as (
    select
        revenue_stream || ':' || source_id as income_id,
        revenue_stream,
        kind,
        customer_id,
        coalesce(customer_type, 'not known') as customer_type,
        is_known_person,
        is_first_payment,
        is_first_order,
        received_at,
        amount_cents
    from described
)

select * from final
