"""The tools' records as they stand at `as_of`, in `tools.sqlite`.

Belongs here: the tables of the tools and replacing their simulated rows. Does not belong here: what the platform writes
into the tools, which lives in tables of its own (`sandbox.tools.store`) and outlives every simulation.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sandbox.company.book import Book

COLUMNS = {
    "crm_contacts": (
        "id, email, phone, first_name, last_name, birth_date, account_id, account_manager, shop_user_id, "
        "created_at, updated_at"
    ),
    "crm_leads": "id, email, company, status, is_qualified, owner, created_at, updated_at",
    "crm_accounts": "id, name, type, industry, account_manager, created_at, updated_at",
    "crm_opportunities": (
        "id, account_id, contact_id, stage, risk_status, amount_cents, currency, is_open, created_at, closed_at, "
        "updated_at"
    ),
    "crm_opportunity_stages": "id, opportunity_id, stage, risk_status, changed_at, updated_at",
    "crm_activities": "id, contact_id, kind, note, owner, duration_seconds, deleted_at, occurred_at, updated_at",
    "payments_customers": "id, email, user_id, created_at, updated_at",
    "payments_orders": (
        "id, customer_id, total_cents, currency, coupon_code, coupon_discount_cents, status, ordered_at, updated_at"
    ),
    "payments_order_lines": "id, order_id, product_id, quantity, unit_price_cents, updated_at",
    "payments_refunds": "id, order_id, amount_cents, currency, refunded_at, updated_at",
    "payments_subscriptions": (
        "id, customer_id, plan, price_cents, currency, status, started_at, cancelled_at, updated_at"
    ),
    "payments_skus": "id, sku, product_id, title, unit_price_cents, currency, updated_at",
    "payments_coupons": "id, code, percent_off, amount_off_cents, valid_from, valid_until, updated_at",
    "payments_invoices": (
        "id, subscription_id, customer_id, amount_cents, currency, status, issued_at, paid_at, updated_at"
    ),
    "shop_products": (
        "id, sku, title, category, brand, unit_cost_cents, list_price_cents, currency, is_active, deleted_at, "
        "created_at, updated_at"
    ),
    "shop_inventory": "id, product_id, available, updated_at",
    "email_contacts": "id, email, status, created_at, updated_at",
    "email_campaigns": "id, name, subject, coupon_code, sent_at, updated_at",
    "email_sends": "id, campaign_id, contact_id, status, sent_at, opened_at, clicked_at, updated_at",
    "support_tickets": (
        "id, requester_email, user_id, subject, topic, status, satisfaction, agent_id, first_response_at, solved_at, "
        "created_at, updated_at"
    ),
    "support_agents": "id, name, email, team, updated_at",
    "support_ratings": "id, ticket_id, score, comment, rated_at, updated_at",
    "ads_campaigns": "id, platform, name, utm_source, utm_medium, utm_campaign, created_at, updated_at",
    "ads_ads": "id, campaign_id, name, utm_content, created_at, updated_at",
    "ads_daily_performance": ("id, day, campaign_id, ad_id, spend_cents, currency, impressions, clicks, updated_at"),
    "ads_lift_results": "id, campaign_id, first_day, last_day, study_group, user_bucket, users, orders, updated_at",
}
_INDEXED = {
    "crm_contacts": ("email collate nocase",),
    "email_contacts": ("email collate nocase",),
    "email_sends": ("campaign_id",),
    "payments_orders": ("customer_id",),
    "payments_order_lines": ("order_id",),
    "support_tickets": ("requester_email", "agent_id"),
    "support_ratings": ("ticket_id",),
    "payments_invoices": ("customer_id",),
    "ads_daily_performance": ("campaign_id", "ad_id"),
    "ads_lift_results": ("campaign_id",),
}


def write_tools(book: Book, path: Path) -> dict[str, int]:
    """Replace the simulated rows in one transaction; rows per table."""
    with sqlite3.connect(path, timeout=60, isolation_level=None) as database:
        database.execute("pragma journal_mode = wal")
        database.execute("pragma synchronous = normal")
        database.execute("begin immediate")
        for table, columns in COLUMNS.items():
            names = columns.split(", ")
            database.execute(f"drop table if exists {table}")
            database.execute(f"create table {table} ({', '.join(names)}, primary key (id)) without rowid")
            marks = ", ".join("?" * len(names))
            database.executemany(f"insert into {table} values ({marks})", book.rows.get(table, []))
            database.execute(f"create index {table}_updated on {table} (updated_at, id)")
            for number, expression in enumerate(_INDEXED.get(table, ())):
                database.execute(f"create index {table}_{number} on {table} ({expression})")
        database.execute("commit")
    database.close()
    return {table: len(book.rows.get(table, [])) for table in COLUMNS}
