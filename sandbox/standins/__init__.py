"""Stand-ins of the marketing and analytics tools that events are sent to: real paths, limits and error bodies.

Belongs here: the list of them. Does not belong here: the example company's own tools (`sandbox.tools`), or anything of
the platform: the two share no code.
"""

from __future__ import annotations

from pathlib import Path

from starlette.routing import Route

from sandbox.standins.amplitude import Amplitude
from sandbox.standins.base import Standin
from sandbox.standins.braze import Braze
from sandbox.standins.customerio import CustomerIo
from sandbox.standins.ga4 import Ga4
from sandbox.standins.google_ads import GoogleAds
from sandbox.standins.hubspot import HubSpot
from sandbox.standins.intercom import Intercom
from sandbox.standins.klaviyo import Klaviyo
from sandbox.standins.memory import Memory
from sandbox.standins.meta_conversions import MetaConversions
from sandbox.standins.mixpanel import Mixpanel
from sandbox.standins.salesforce import Salesforce
from sandbox.standins.slack import Slack
from sandbox.standins.webhook import LegacyWebhook, Webhook

STANDINS: tuple[type[Standin], ...] = (
    Amplitude,
    Braze,
    CustomerIo,
    Ga4,
    GoogleAds,
    HubSpot,
    Intercom,
    Klaviyo,
    LegacyWebhook,
    MetaConversions,
    Mixpanel,
    Salesforce,
    Slack,
    Webhook,
)
"""Every stand-in, alphabetical. A new one is a file here and a line in this list."""


def routes(folder: Path) -> list[Route]:
    """The routes of all stand-ins, each under `/<its name>/`; what they are told is kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    memory = Memory(folder / "standins.sqlite")
    return [route for cls in STANDINS for route in cls(memory).routes()]
