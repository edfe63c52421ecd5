"""The tools that can be pushed to, by `type`. A new one is a file here and its place in `CLASSES`, by name."""

from __future__ import annotations

from headwater.configuration import Config
from headwater.errors import ConfigError
from headwater.push.destinations.amplitude import Amplitude
from headwater.push.destinations.base import Destination
from headwater.push.destinations.braze import Braze
from headwater.push.destinations.crm import Crm
from headwater.push.destinations.customerio import CustomerIo
from headwater.push.destinations.email import Email
from headwater.push.destinations.ga4 import Ga4
from headwater.push.destinations.google_ads import GoogleAds
from headwater.push.destinations.http_template import HttpTemplate
from headwater.push.destinations.hubspot import HubSpot
from headwater.push.destinations.intercom import Intercom
from headwater.push.destinations.kafka import Kafka
from headwater.push.destinations.klaviyo import Klaviyo
from headwater.push.destinations.meta_conversions import MetaConversions
from headwater.push.destinations.mixpanel import Mixpanel
from headwater.push.destinations.postgres import Postgres
from headwater.push.destinations.redis import Redis
from headwater.push.destinations.s3 import S3
from headwater.push.destinations.salesforce import Salesforce
from headwater.push.destinations.slack import Slack
from headwater.push.destinations.webhook import Webhook

CLASSES: dict[str, type[Destination]] = {
    cls.type: cls
    for cls in (
        Amplitude,
        Braze,
        Crm,
        CustomerIo,
        Email,
        Ga4,
        GoogleAds,
        HttpTemplate,
        HubSpot,
        Intercom,
        Kafka,
        Klaviyo,
        MetaConversions,
        Mixpanel,
        Postgres,
        Redis,
        S3,
        Salesforce,
        Slack,
        Webhook,
    )
}


def open_destination(config: Config, name: str) -> Destination:
    """The destination called `name` in the config.

    Raises:
        ConfigError: it is not defined, or its type is unknown.
    """
    found = config.destinations.get(name)
    if found is None:
        known = ", ".join(sorted(config.destinations)) or "none"
        raise ConfigError(f"Destination «{name}» is not defined; defined are: {known}.")
    if found.type not in CLASSES:
        raise ConfigError(
            f"destinations/{name}.yaml: type «{found.type}» is unknown; known are: {', '.join(sorted(CLASSES))}."
        )
    return CLASSES[found.type](found)
