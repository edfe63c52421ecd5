"""A made-up company straight in the warehouse, as loading and matching would have left it: visits, orders, the tools'
tables, identifiers.

Belongs here: the rows, by SQL, the same at every call. Does not belong here: running or timing dbt (`benchmarks.dbt`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from duckdb import DuckDBPyConnection

from headwater.settings import load_settings
from headwater.storage.warehouse import connect, ensure_schemas

BEGUN = datetime(2025, 1, 1)
DAYS = 365
_VISIT = 8  # events
_PRODUCTS = 200


def fill(home: Path, events: int, people: int) -> datetime:
    """A warehouse of a year with so many events of so many people; gives the moment after the last event."""
    with connect(load_settings(home=home), purpose="benchmark") as con:
        ensure_schemas(con)
        _people(con, 0, people)
        _tools(con, people)
        _events(con, 0, events, people, BEGUN, DAYS)
        _orders(con)
    return BEGUN + timedelta(days=DAYS)


def add_day(home: Path, events: int, people: int, share: float = 0.01) -> datetime:
    """One day more, with `share` as many events as there are; some people are new, some are found to be one."""
    more, new = int(events * share), max(1, people // 500)
    with connect(load_settings(home=home), purpose="benchmark") as con:
        _people(con, people, people + new)
        _events(con, events, events + more, people + new, BEGUN + timedelta(days=DAYS), 1)
        _orders(con)
        con.execute(
            "update identity.identifiers set customer_id = 'c1' "
            "where customer_id in ('c2', 'c3') and id_type <> 'email'"
        )
    return BEGUN + timedelta(days=DAYS + 1)


def _people(con: DuckDBPyConnection, first: int, last: int) -> None:
    con.execute(
        """insert into identity.identifiers (id_type, id_value, customer_id)
        select unnest(case
                when n % 5 < 2 then ['anonymous_id']
                when n % 5 < 4 then ['anonymous_id', 'user_id', 'email', 'payment_id']
                else ['anonymous_id', 'user_id', 'email', 'payment_id', 'crm_id'] end) as id_type,
            unnest(case
                when n % 5 < 2 then ['d' || n]
                when n % 5 < 4 then ['d' || n, 'u' || n, 'p' || n || '@example.com', 'cus' || n]
                else ['d' || n, 'u' || n, 'p' || n || '@example.com', 'cus' || n, 'crm' || n] end),
            'c' || n
        from range(?, ?) as r(n)""",
        [first, last],
    )
    con.execute(
        """insert into raw.payments__customers (id, email, user_id, created_at, updated_at)
        select 'cus' || n, 'p' || n || '@example.com', 'u' || n, ?, ? from range(?, ?) as r(n) where n % 5 >= 2""",
        [BEGUN, BEGUN, first, last],
    )


def _events(con: DuckDBPyConnection, first: int, last: int, people: int, begun: datetime, days: int) -> None:
    con.execute(
        f"""insert into raw.events (message_id, type, event, user_id, anonymous_id, timestamp, received_at, source,
            known_at, route, payload, lake_object, row_number)
        with visits as (
            select n, n % {_VISIT} as step, hash(n // {_VISIT}) % $people as person, hash(n) as dice,
                $begun + to_microseconds(((n // {_VISIT} * {_VISIT} - $first) * ($days * 86400000000.0
                    / ($last - $first)))::bigint) + to_seconds((n % {_VISIT}) * 40) as moment
            from range($first, $last) as r(n)
        ),
        typed as (
            select *, case
                when step = 7 and dice % 7 = 0 then 'Order Completed' when step = 6 and dice % 9 = 0 then 'Email Opened'
                when step in (3, 4) then 'Product Viewed' when step = 5 then 'Product Added' end as event,
                case when step in (0, 1, 2) then 'page' when step = 7 and dice % 7 = 1 then 'identify' else 'track' end
                    as type
            from visits
        )
        select 'm' || n, type, case when type = 'track' then coalesce(event, 'Cart Viewed') end,
            case when person % 5 >= 2 and step > 2 then 'u' || person end, 'd' || person, moment, moment,
            case when event = 'Email Opened' then 'server' else 'web' end, moment, 'live',
            json_object('messageId', 'm' || n, 'type', type, 'event', event, 'anonymousId', 'd' || person,
                'name', 'Product', 'context', json_object(
                    'library', json_object('name', 'analytics.js', 'version', '2.11.1'), 'locale', 'en-US',
                    'page', json_object('path', '/p/' || dice % {_PRODUCTS}, 'title', 'Product',
                        'url', 'https://shop.example/p/' || dice % {_PRODUCTS} || '?color=red',
                        'referrer', case when step = 0 and dice % 3 = 0 then 'https://www.google.com/' else '' end),
                    'campaign', case when step = 0 and dice % 4 = 0 then json_object('source', 'google',
                        'medium', 'cpc', 'name', 'campaign_' || dice % 10, 'content', 'ad_' || dice % 20) end,
                    'consent', json_object('categoryPreferences', json_object('analytics', true,
                        'advertising', person % 3 > 0))),
                'traits', case when type = 'identify' then json_object('email', 'p' || person || '@example.com',
                    'name', 'Person ' || person, 'phone', '+1555' || person) end,
                'properties', case when event = 'Order Completed' then json_object('order_id', 'o' || n,
                        'total', 10 + dice % 9000 / 100, 'currency', 'USD', 'products', json_array(
                            json_object('product_id', 'p_' || dice % {_PRODUCTS}, 'price', 10 + dice % 50,
                                'quantity', 1, 'category', 'kind_' || dice % 8),
                            json_object('product_id', 'p_' || dice % 77, 'price', 20, 'quantity', 2)))
                    else json_object('product_id', 'p_' || dice % {_PRODUCTS}, 'category', 'kind_' || dice % 8,
                        'name', 'Product') end),
            'events/received_date=' || moment::date || '/x.parquet', n
        from typed""",
        {"first": first, "last": last, "people": people, "begun": begun, "days": days},
    )


def _orders(con: DuckDBPyConnection) -> None:
    """The payment tool knows the orders that it does not know yet."""
    con.execute(
        """insert into raw.payments__orders (id, customer_id, total_cents, currency, status, ordered_at, updated_at)
        select payload ->> '$.properties.order_id', 'cus' || substr(user_id, 2),
            ((payload ->> '$.properties.total')::decimal(18, 4) * 100)::bigint, 'USD', 'paid', timestamp, timestamp
        from raw.events
        where event = 'Order Completed' and user_id is not null
            and (payload ->> '$.properties.order_id') not in (select id from raw.payments__orders)"""
    )
    con.execute(
        f"""insert into raw.payments__order_lines (id, order_id, product_id, quantity, unit_price_cents, updated_at)
        select id || '-1', id, 'p_' || hash(id) % {_PRODUCTS}, 1, total_cents, updated_at from raw.payments__orders
        where id not in (select order_id from raw.payments__order_lines)"""
    )


def _tools(con: DuckDBPyConnection, people: int) -> None:
    for table, query in {
        "raw.shop__products (id, sku, title, category, unit_cost_cents, list_price_cents, currency, is_active)": f"""
            select 'p_' || n, 'SKU' || n, 'Product ' || n, 'kind_' || n % 8, 500 + n, 1500 + n, 'USD', true
            from range({_PRODUCTS}) as r(n)""",
        "raw.crm__accounts (id, name, type, account_manager, created_at, updated_at)": f"""
            select 'a' || n, 'Account ' || n, 'wholesale', 'Mia', $begun, $begun from range({people // 50}) as r(n)""",
        """raw.crm__contacts (id, email, phone, first_name, last_name, birth_date, account_id, created_at,
            updated_at)""": f"""
            select 'crm' || n, 'p' || n || '@example.com', '+1555' || n, 'Person', n::text,
                date '1960-01-01' + (n % 15000)::int, case when n % 10 = 4 then 'a' || n % {people // 50} end,
                $begun, $begun
            from range({people}) as r(n) where n % 5 = 4""",
        "raw.crm__leads (id, email, company, status, is_qualified, created_at, updated_at)": f"""
            select 'l' || n, 'p' || n || '@example.com', 'Company ' || n, 'open', n % 2 = 0, $begun, $begun
            from range(2, {people}, 10) as r(n)""",
        """raw.crm__opportunities (id, account_id, contact_id, stage, risk_status, amount_cents, currency, is_open,
            created_at, updated_at)""": f"""
            select 'op' || n, 'a' || n, 'crm' || n, 'proposal', 'low', 100000, 'USD', n % 3 = 0, $begun, $begun
            from range({people // 50}) as r(n)""",
        """raw.payments__subscriptions (id, customer_id, plan, price_cents, currency, status, started_at, cancelled_at,
            updated_at)""": f"""
            select 's' || n, 'cus' || n, 'plus', 1900, 'USD', 'active', $begun + to_days((n % 300)::int),
                case when n % 4 = 0 then $begun + to_days((n % 300 + 40)::int) end, $begun
            from range(3, {people}, 10) as r(n)""",
        "raw.support__tickets (id, user_id, topic, status, created_at, updated_at)": f"""
            select 't' || n, 'u' || n % {people}, 'billing', 'solved', $begun + to_days((n % 360)::int), $begun
            from range({people // 5}) as r(n)""",
        "raw.email__contacts (id, email, status, created_at, updated_at)": f"""
            select 'e' || n, 'p' || n || '@example.com', 'subscribed', $begun, $begun
            from range({people}) as r(n) where n % 5 >= 2""",
        "raw.email__campaigns (id, name, subject, sent_at, updated_at)": """
            select 'nl' || n, 'News ' || n, 'News', $begun + to_days((n * 36)::int), $begun from range(10) as r(n)""",
        "raw.email__sends (id, campaign_id, contact_id, status, sent_at, opened_at, updated_at)": f"""
            select 'se' || n || '-' || m, 'nl' || m, 'e' || n, 'delivered', $begun + to_days((m * 36)::int),
                case when (n + m) % 3 = 0 then $begun + to_days((m * 36 + 1)::int) end, $begun
            from range({people}) as r(n), range(10) as s(m) where n % 5 >= 2""",
        "raw.ads__campaigns (id, platform, name, utm_source, utm_medium, utm_campaign, created_at, updated_at)": """
            select 'ac' || n, 'google', 'Campaign ' || n, 'google', 'cpc', 'campaign_' || n, $begun, $begun
            from range(10) as r(n)""",
        "raw.ads__ads (id, campaign_id, name, utm_content, created_at, updated_at)": """
            select 'ad' || n, 'ac' || n % 10, 'Ad ' || n, 'ad_' || n, $begun, $begun from range(20) as r(n)""",
        """raw.ads__daily_performance (id, day, campaign_id, ad_id, spend_cents, currency, impressions, clicks,
            updated_at)""": f"""
            select d || '-' || n, ($begun + to_days(d::int))::date, 'ac' || n % 10, 'ad' || n, 5000, 'USD', 1000, 50,
                $begun
            from range(20) as r(n), range({DAYS}) as s(d)""",
    }.items():
        con.execute(f"insert into {table} {query}", {"begun": BEGUN} if "$begun" in query else None)
