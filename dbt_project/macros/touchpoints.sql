{#
    The spec's events by the kind of touchpoint that they are; any other track is an `event`. Orders and
    subscriptions come from their own marts, and so do not stand here.
#}
{% macro touchpoint_kinds() %}
    {{- return({
        "Product Viewed": "product_view",
        "Product List Viewed": "product_list_view",
        "Products Searched": "search",
        "Product Added": "cart_add",
        "Product Removed": "cart_remove",
        "Cart Viewed": "cart_view",
        "Checkout Started": "checkout",
        "Application Opened": "app_open",
        "Order Completed": "order",
        "Order Cancelled": "order",
        "Order Refunded": "order",
        "Subscription Started": "subscription",
        "Subscription Cancelled": "subscription",
        "Subscription Renewed": "subscription_renewed",
        "Invoice Paid": "invoice_paid",
        "Invoice Payment Failed": "invoice_failed",
        "Email Sent": "email_sent",
        "Email Delivered": "email_delivered",
        "Email Bounced": "email_bounced",
        "Email Opened": "email_open",
        "Email Link Clicked": "email_click",
        "Unsubscribed": "email_unsubscribe",
        "Ticket Opened": "support_ticket",
        "Ticket Status Changed": "support_update",
        "Ticket Rated": "support_rating",
        "Sales Call Logged": "sales_call",
        "Opportunity Stage Changed": "opportunity_stage",
    }) -}}
{% endmacro %}
