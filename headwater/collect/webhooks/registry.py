"""The tools that may call us, by the name that a source's `type` has in `sources.yaml`. A new one is a file beside this
and a line here.

Belongs here: the list. Does not belong here: anything of a tool.
"""

from __future__ import annotations

from headwater.collect.webhooks import Translator
from headwater.collect.webhooks.crm import Crm
from headwater.collect.webhooks.customerio import CustomerIo
from headwater.collect.webhooks.generic import Generic
from headwater.collect.webhooks.hubspot import HubSpot
from headwater.collect.webhooks.sendgrid import SendGrid
from headwater.collect.webhooks.shopify import Shopify
from headwater.collect.webhooks.stripe import Stripe
from headwater.collect.webhooks.zendesk import Zendesk

TYPES: dict[str, Translator] = {
    "crm": Crm(),
    "customerio": CustomerIo(),
    "generic": Generic(),
    "hubspot": HubSpot(),
    "sendgrid": SendGrid(),
    "shopify": Shopify(),
    "stripe": Stripe(),
    "zendesk": Zendesk(),
}
