"""What the tools' pages show: a view of each table, as the people who work in the tool know it.

Belongs here: queries, titles, what a search looks in. Does not belong here: HTML (`pages`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """One table of a tool: `sql` gives its rows, `search` the expressions a search looks in, `order` how they stand.

    `custom` names what was written from outside: a `custom` column of JSON that becomes columns of its own.
    """

    title: str
    sql: str
    search: tuple[str, ...]
    order: str
    custom: bool = False
    money: tuple[str, ...] = ()


_CONTACTS = (
    "select c.id, c.first_name || ' ' || c.last_name as name, c.email, c.account_manager, c.birth_date, c.created_at, "
    "w.custom from crm_contacts c left join written_crm w on w.contact_id = c.id"
)
_MAILBOXES = (
    "select e.email, e.status, e.created_at, w.custom from email_contacts e left join written_email w on w.email = "
    "e.email collate nocase union all select w.email, 'imported', w.written_at, w.custom from written_email w "
    "where not exists (select 1 from email_contacts e where e.email = w.email collate nocase)"
)
_SENDS = (
    "select c.name, c.subject, c.coupon_code, c.sent_at, "
    "count(s.id) as sent, count(s.opened_at) as opened, count(s.clicked_at) as clicked from email_campaigns c "
    "left join email_sends s on s.campaign_id = c.id group by c.id"
)
_AD_MONEY = ("spend_cents",)
_AD_TOTALS = "sum(d.spend_cents) as spend_cents, sum(d.impressions) as impressions, sum(d.clicks) as clicks"
_AD_CAMPAIGNS = (
    f"select c.name, c.platform, c.utm_campaign, {_AD_TOTALS} from ads_campaigns c "
    "left join ads_daily_performance d on d.campaign_id = c.id group by c.id"
)
_ADS = (
    f"select a.name, c.name as campaign, a.utm_content, {_AD_TOTALS} from ads_ads a "
    "join ads_campaigns c on c.id = a.campaign_id left join ads_daily_performance d on d.ad_id = a.id group by a.id"
)
_TOP = "custom is null, json_extract(custom, '$.likelihood_to_churn') desc"
TOOLS: dict[str, tuple[str, dict[str, View]]] = {
    "crm": (
        "CRM",
        {
            "contacts": View("Contacts", _CONTACTS, ("name", "email", "id"), f"{_TOP}, created_at desc", custom=True),
            "leads": View(
                "Leads",
                "select company, email, status, is_qualified, owner, updated_at, id from crm_leads",
                ("company", "email", "owner"),
                "updated_at desc",
            ),
            "opportunities": View(
                "Deals",
                "select a.name as account, o.stage, o.risk_status, o.amount_cents, o.account_id, o.created_at, "
                "o.closed_at from crm_opportunities o left join crm_accounts a on a.id = o.account_id",
                ("account", "stage"),
                "created_at desc",
                money=("amount_cents",),
            ),
            "accounts": View(
                "Accounts",
                "select name, type, industry, account_manager, created_at, id from crm_accounts",
                ("name", "account_manager", "industry"),
                "created_at desc",
            ),
            "activities": View(
                "Activities",
                "select a.occurred_at, a.kind, a.note, a.duration_seconds, a.owner, "
                "c.first_name || ' ' || c.last_name as contact from crm_activities a "
                "left join crm_contacts c on c.id = a.contact_id where a.deleted_at is null",
                ("contact", "note", "kind"),
                "occurred_at desc",
            ),
            "opportunity_stages": View(
                "Deal history",
                "select s.changed_at, a.name as account, s.stage, s.risk_status, s.opportunity_id from "
                "crm_opportunity_stages s left join crm_opportunities o on o.id = s.opportunity_id "
                "left join crm_accounts a on a.id = o.account_id",
                ("account", "stage", "opportunity_id"),
                "changed_at desc",
            ),
        },
    ),
    "payments": (
        "Payments",
        {
            "orders": View(
                "Orders",
                "select o.id, c.email as customer, o.total_cents, o.currency, o.status, o.coupon_code, o.ordered_at "
                "from payments_orders o left join payments_customers c on c.id = o.customer_id",
                ("id", "customer", "coupon_code", "status"),
                "ordered_at desc",
                money=("total_cents",),
            ),
            "subscriptions": View(
                "Subscriptions",
                "select s.id, c.email as customer, s.plan, s.price_cents, s.status, s.started_at, s.cancelled_at from "
                "payments_subscriptions s left join payments_customers c on c.id = s.customer_id",
                ("id", "customer", "plan", "status"),
                "coalesce(cancelled_at, started_at) desc",
                money=("price_cents",),
            ),
            "refunds": View(
                "Refunds",
                "select id, order_id, amount_cents, currency, refunded_at from payments_refunds",
                ("id", "order_id"),
                "refunded_at desc",
                money=("amount_cents",),
            ),
            "customers": View(
                "Customers",
                "select id, email, user_id, created_at from payments_customers",
                ("id", "email", "user_id"),
                "created_at desc",
            ),
            "invoices": View(
                "Invoices",
                "select i.id, c.email as customer, i.amount_cents, i.currency, i.status, i.issued_at, i.paid_at from "
                "payments_invoices i left join payments_customers c on c.id = i.customer_id",
                ("id", "customer", "status"),
                "issued_at desc",
                money=("amount_cents",),
            ),
            "coupons": View(
                "Coupons",
                "select code, percent_off, amount_off_cents, valid_from, valid_until, id from payments_coupons",
                ("code", "id"),
                "valid_from desc",
                money=("amount_off_cents",),
            ),
            "skus": View(
                "SKUs",
                "select sku, title, unit_price_cents, currency, product_id from payments_skus",
                ("sku", "title", "product_id"),
                "sku",
                money=("unit_price_cents",),
            ),
        },
    ),
    "email": (
        "Email",
        {
            "contacts": View("Contacts", _MAILBOXES, ("email", "status"), f"{_TOP}, created_at desc", custom=True),
            "campaigns": View("Campaigns", _SENDS, ("name", "subject"), "sent_at desc"),
            "sends": View(
                "Mails",
                "select s.sent_at, c.email, p.name as campaign, s.status, s.opened_at, s.clicked_at from email_sends s "
                "left join email_contacts c on c.id = s.contact_id left join email_campaigns p on p.id = s.campaign_id",
                ("email", "campaign", "status"),
                "sent_at desc",
            ),
            "events": View(
                "Events received",
                "select event, user_id, message_id, written_at from written_email_events",
                ("event", "user_id"),
                "written_at desc",
            ),
        },
    ),
    "support": (
        "Support",
        {
            "tickets": View(
                "Tickets",
                "select t.id, t.subject, t.topic, t.status, t.satisfaction, t.requester_email, a.name as agent, "
                "t.created_at, t.first_response_at, t.solved_at from support_tickets t "
                "left join support_agents a on a.id = t.agent_id",
                ("subject", "topic", "requester_email", "id", "agent"),
                "created_at desc",
            ),
            "ratings": View(
                "Ratings",
                "select r.rated_at, r.score, r.comment, a.name as agent, t.subject, r.ticket_id from support_ratings r "
                "left join support_tickets t on t.id = r.ticket_id left join support_agents a on a.id = t.agent_id",
                ("comment", "agent", "subject", "ticket_id"),
                "rated_at desc",
            ),
            "agents": View(
                "Agents",
                "select a.name, a.team, a.email, count(t.id) as tickets from support_agents a "
                "left join support_tickets t on t.agent_id = a.id group by a.id",
                ("name", "team"),
                "name",
            ),
        },
    ),
    "shop-platform": (
        "Shop platform",
        {
            "products": View(
                "Products",
                "select p.id, p.title, p.category, p.brand, p.unit_cost_cents, p.list_price_cents, p.currency, "
                "p.is_active, i.available from shop_products p left join shop_inventory i on i.product_id = p.id "
                "where p.deleted_at is null",
                ("title", "category", "brand", "id"),
                "id",
                money=("unit_cost_cents", "list_price_cents"),
            ),
            "inventory": View(
                "Stock",
                "select i.available, p.title, p.sku, i.updated_at from shop_inventory i "
                "join shop_products p on p.id = i.product_id",
                ("title", "sku"),
                "available, title",
            ),
        },
    ),
    "ads": (
        "Ads",
        {
            "campaigns": View("Campaigns", _AD_CAMPAIGNS, ("name", "platform"), "spend_cents desc", money=_AD_MONEY),
            "ads": View("Ads", _ADS, ("name", "campaign"), "spend_cents desc", money=_AD_MONEY),
            "days": View(
                "Days",
                "select d.day, c.name as campaign, a.name as ad, d.spend_cents, d.impressions, d.clicks from "
                "ads_daily_performance d join ads_campaigns c on c.id = d.campaign_id join ads_ads a on a.id = d.ad_id",
                ("campaign", "ad", "day"),
                "day desc, campaign, ad",
                money=_AD_MONEY,
            ),
            "studies": View(
                "Lift studies",
                "select r.first_day, r.last_day, c.name as campaign, r.study_group, r.user_bucket, r.users, r.orders "
                "from ads_lift_results r join ads_campaigns c on c.id = r.campaign_id",
                ("campaign", "study_group", "first_day"),
                "first_day desc, campaign, study_group, user_bucket",
            ),
        },
    ),
}
