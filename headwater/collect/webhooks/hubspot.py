"""HubSpot's webhooks: many changes of contacts, deals, calls and meetings a call.

Signature: `X-HubSpot-Signature-v3`, Base64 of the HMAC-SHA256 of method, URL, body and
`X-HubSpot-Request-Timestamp` (milliseconds) with the app's client secret (HubSpot documentation, «Validating
requests»). The URL is the one that HubSpot was told; where a proxy changes it and does not say so, the source's `url`.

A subscription is of one object (`contact.creation`) or of the newer kind (`object.creation` with `objectTypeId`); both
are known. HubSpot tells ids and changed values, nothing else, so a person is `hubspot_contact_<id>`, with the address
when that is what changed. Whom a call or a meeting was with stands only in the change of its association with a
contact: that subscription makes the event, its creation does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headwater.collect.webhooks import Call, Unreadable
from headwater.collect.webhooks.common import hmac_base64, is_recent, is_same, person, track, unix

OBJECTS = {"0-1": "contact", "0-3": "deal", "0-47": "meeting", "0-48": "call"}
"""By `objectTypeId`."""
CONTACTS = {
    "creation": "Contact Created",
    "propertyChange": "Contact Updated",
    "deletion": "Contact Deleted",
    "privacyDeletion": "Contact Deleted",
}
DEALS = {
    "creation": "Opportunity Created",
    "propertyChange": "Opportunity Updated",
    "deletion": "Opportunity Deleted",
}
ACTIVITIES = {"call": "Sales Call Logged", "meeting": "Sales Meeting Logged"}
_DECODED = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
"""What HubSpot decodes in a URL before it signs."""


class HubSpot:
    """What the sales team does where no SDK is: contacts, deals, calls, meetings."""

    def verify(self, secret: str, call: Call) -> bool:
        """The HMAC of a call at most five minutes old."""
        stamp = call.headers.get("x-hubspot-request-timestamp", "")
        if not secret or not stamp.isdecimal() or not is_recent(stamp[:-3], call.at):
            return False
        url = _DECODED.sub(lambda match: chr(int(match[1], 16)), call.url)
        expected = hmac_base64(secret, call.method, url, call.body, stamp)
        return is_same(expected, call.headers.get("x-hubspot-signature-v3", ""))

    def translate(self, body: bytes) -> Sequence[dict[str, Any] | Unreadable]:
        """An event for each change of one of `OBJECTS` that is told of."""
        return [_read(item) for item in msgspec.json.decode(body, type=list[Any])]


def _read(item: Any) -> dict[str, Any] | Unreadable:
    try:
        return _event(item) or Unreadable(msgspec.json.encode(item), _why_none(item))
    except (LookupError, TypeError, AttributeError) as error:
        return Unreadable(msgspec.json.encode(item), f"not this tool's shape: {error!r}"[:100])


def _event(item: Mapping[str, Any]) -> dict[str, Any] | None:
    thing, _, change = item["subscriptionType"].partition(".")
    if change == "associationChange":
        return _activity(item) if thing == "object" else None
    if thing == "object":
        thing = OBJECTS.get(item["objectTypeId"], "")
    if thing == "contact" and change in CONTACTS:
        return _contact(item, change)
    if thing == "deal" and change in DEALS:
        return _deal(item, change)
    return None


def _contact(item: Mapping[str, Any], change: str) -> dict[str, Any]:
    contact = str(item["objectId"])
    properties = {"crm_id": contact, **_changed(item), "reason": "privacy" if change == "privacyDeletion" else None}
    address = item.get("propertyValue") if item.get("propertyName") == "email" else None
    return _track(item, CONTACTS[change], _who(contact, address), properties)


def _deal(item: Mapping[str, Any], change: str) -> dict[str, Any]:
    deal = str(item["objectId"])
    who = person(other=f"hubspot_deal_{deal}")
    if item.get("propertyName") == "dealstage":
        stage = {"opportunity_id": deal, "stage": item.get("propertyValue")}
        return _track(item, "Opportunity Stage Changed", who, stage)
    return _track(item, DEALS[change], who, {"opportunity_id": deal, **_changed(item)})


def _activity(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """A call or a meeting is now one with this contact. HubSpot tells it from both ends: once is enough."""
    ends = {OBJECTS.get(item[f"{end}ObjectTypeId"], ""): str(item[f"{end}ObjectId"]) for end in ("from", "to")}
    kind = next((one for one in ends if one in ACTIVITIES), None)
    if kind is None or "contact" not in ends or item.get("associationRemoved"):
        return None
    contact, activity = ends["contact"], ends[kind]
    properties = {"crm_id": contact, "activity_id": activity}
    key = f"hubspot_{kind}_{activity}_{contact}"
    return track(key, ACTIVITIES[kind], _who(contact), properties, _told_at(item), "hubspot")


def _who(contact: str, address: Any = None) -> dict[str, Any]:
    """Always the contact's id first: the address is known to one of its events only, and ties it to the customer."""
    return person(email=address) | {"anonymousId": f"hubspot_contact_{contact}"}


def _changed(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"property": item.get("propertyName"), "value": item.get("propertyValue")}


def _track(item: Mapping[str, Any], name: str, who: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    # an eventId alone may come twice, says HubSpot; attemptNumber grows as a call is repeated, so it stays out
    key = "_".join(str(item[part]) for part in ("eventId", "subscriptionId", "objectId", "occurredAt"))
    return track(f"hubspot_{key}", name, who, properties, _told_at(item), "hubspot")


def _told_at(item: Mapping[str, Any]) -> str | None:
    at = item.get("occurredAt")
    return unix(at / 1000) if isinstance(at, int) else None


def _why_none(item: Mapping[str, Any]) -> str:
    kind, thing = item["subscriptionType"], OBJECTS.get(item.get("objectTypeId", ""), "")
    if thing in ACTIVITIES and kind == "object.creation":
        return f"a {thing} without its contact: subscribe to object.associationChange with contacts"
    return " ".join(["no event for", kind, str(item.get("objectTypeId", ""))]).strip()[:100]
