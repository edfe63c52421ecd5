"""What the tools accept and refuse, as data and pure functions.

Belongs here: property lists, limits, checks of one row. Does not belong here: HTTP and SQL.
"""

from __future__ import annotations

import re
from typing import Any

TOKEN = "sandbox_demo"
CRM_BATCH = 100
EMAIL_BATCH = 75
EVENT_BATCH = 100
DEFAULT_RATES = {"crm": 50.0, "payments": 50.0, "shop": 50.0, "email": 50.0, "support": 50.0, "ads": 50.0}
"""Requests per second and tool; as many again may come at once."""

CRM_PROPERTIES = frozenset(
    {
        "customer_id",
        "customer_type",
        "lifecycle_stage",
        "is_high_value",
        "is_subscriber",
        "subscription_plan",
        "subscription_status",
        "likelihood_to_churn",
        "is_likely_to_churn",
        "churn_probability",
        "churn_percentile",
        "churn_risk",
        "churn_reasons",
        "churn_model_version",
        "churn_scored_at",
        "lifetime_revenue_cents",
        "lifetime_value_cents",
        "predicted_lifetime_value_cents",
        "average_order_value_cents",
        "count_orders",
        "count_refunds",
        "count_sessions",
        "count_sessions_30d",
        "count_sessions_90d",
        "count_tickets",
        "count_chats",
        "count_support_contacts",
        "first_order_at",
        "last_order_at",
        "first_seen_at",
        "last_seen_at",
        "days_since_last_order",
        "days_since_last_session",
        "favourite_category",
        "favourite_product",
        "currency",
        "country",
        "last_chat_sentiment",
        "acquisition_channel",
        "email_open_rate",
        "is_wholesale_prospect",
        "is_qualified_lead",
        "lead_score",
        "recommendations",
        "last_synced_at",
    }
)
"""Custom properties an administrator has created in the CRM; any other is refused."""

_EMAIL = re.compile(r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@"
                    r"([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}$")  # fmt: skip
_ATTRIBUTE = re.compile(r"^[A-Za-z][A-Za-z0-9_]{0,63}$")
Refusal = tuple[str, str]


def is_email(text: object) -> bool:
    """Whether a value looks like an e-mail address."""
    return isinstance(text, str) and len(text) <= 254 and bool(_EMAIL.match(text))


def refuse_crm(entry: Any) -> Refusal | None:
    """Why the CRM refuses one input (code, message), without looking at its records; None if it does not."""
    if not isinstance(entry, dict) or entry.get("id_property", "email") not in ("email", "id"):
        return "INVALID_INPUT", "An input needs id_property «email» or «id», id and properties."
    identifier, properties = entry.get("id"), entry.get("properties")
    if not isinstance(identifier, str) or not identifier or not isinstance(properties, dict):
        return "INVALID_INPUT", "An input needs id_property «email» or «id», id and properties."
    if entry.get("id_property", "email") == "email" and not is_email(identifier):
        return "INVALID_EMAIL", f"Email address {identifier} is invalid."
    for name, value in properties.items():
        if name not in CRM_PROPERTIES:
            return "PROPERTY_DOESNT_EXIST", f"Property «{name}» does not exist."
        if isinstance(value, dict) or (isinstance(value, str) and len(value) > 2000):
            return "INVALID_PROPERTY_VALUE", f"Property «{name}» takes a plain value of at most 2000 characters."
    return None


def refuse_email(contact: Any, statuses: dict[str, str]) -> Refusal | None:
    """Why the email tool refuses one contact; `statuses` are its contacts' by address in lower case."""
    if not isinstance(contact, dict) or not isinstance(contact.get("attributes", {}), dict):
        return "INVALID_CONTACT", "A contact needs email and attributes."
    if not is_email(contact.get("email")):
        return "INVALID_EMAIL", f"Email address {contact.get('email')} is invalid."
    status = statuses.get(contact["email"].lower())
    if status in ("bounced", "unsubscribed"):
        return "CONTACT_SUPPRESSED", f"{contact['email']} is {status} and cannot be changed."
    for name, value in contact.get("attributes", {}).items():
        if not _ATTRIBUTE.match(name):
            return "INVALID_ATTRIBUTE", f"Attribute name «{name}» is not allowed."
        if isinstance(value, dict):
            return "INVALID_ATTRIBUTE", f"Attribute «{name}» takes no object."
    return None


def refuse_event(event: Any) -> Refusal | None:
    """Why the email tool refuses one event."""
    if not isinstance(event, dict) or not isinstance(event.get("messageId"), str) or not event["messageId"]:
        return "MISSING_MESSAGE_ID", "An event needs a messageId."
    if not (event.get("userId") or event.get("anonymousId") or event.get("email")):
        return "MISSING_IDENTIFIER", "An event needs a userId, an anonymousId or an email."
    return None
