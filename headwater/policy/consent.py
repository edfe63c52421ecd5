"""Whether an event may go to a destination, by what the person allowed and what the sender asked for.

Belongs here: reading a message's consent and its `integrations`. Does not belong here: which destination asks for what
(`destinations/*.yaml`), what becomes of an event that is withheld. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headwater.configuration import Consent


def allows(consent: Consent | None, payload: Mapping[str, Any]) -> bool:
    """Whether the person's preferences let this event go there.

    Read are Segment's `context.consent.categoryPreferences` ({category: true or false}; one that is not named was not
    allowed) and RudderStack's `context.consentManagement` (`deniedConsentIds` and `allowedConsentIds`; one that is in
    neither was allowed only if no list of allowed ones is given).
    """
    if consent is None or not consent.categories:
        return True
    known = [said for category in consent.categories if (said := allowed(payload, category)) is not None]
    if not known:
        return consent.when_absent == "deliver"
    return all(known) if consent.require == "all" else any(known)


def allowed(payload: Mapping[str, Any], category: str) -> bool | None:
    """What the message says of one category; None when it carries no preferences at all.

    One that is not named among Segment's preferences, or not in a list of allowed ids, was not allowed. Where the
    message contradicts itself, in one dialect or between the two, the refusal counts.
    """
    context = payload.get("context")
    if not isinstance(context, Mapping):
        return None
    consent = context.get("consent")
    preferences = consent.get("categoryPreferences") if isinstance(consent, Mapping) else None
    said = []
    if isinstance(preferences, Mapping) and preferences:
        said.append(preferences.get(category) is True)
    management = context.get("consentManagement")
    if isinstance(management, Mapping):
        allowed, denied = _ids(management.get("allowedConsentIds")), _ids(management.get("deniedConsentIds"))
        if allowed or denied:
            said.append(category not in denied and (category in allowed or not allowed))
    return all(said) if said else None


def integrations_allows(names: Iterable[str], payload: Mapping[str, Any]) -> bool:
    """Whether the message's `integrations` object lets it go to a destination that senders call by these names.

    A name's own entry (`false`, or `true` or an object of options) wins over `All`; absent means yes. Case, blanks,
    hyphens and underscores in names do not matter.
    """
    integrations = payload.get("integrations")
    if not isinstance(integrations, Mapping):
        return True
    entries = {_plain(key): value for key, value in integrations.items() if value is not None}
    own = [entries[_plain(name)] for name in names if name and _plain(name) in entries]
    if own:
        return all(value is not False for value in own)
    return entries.get("all") is not False


def _ids(value: Any) -> set[str]:
    """A list of ids; some consent managers send {id: true} instead."""
    if isinstance(value, Mapping):
        return {str(key) for key, is_set in value.items() if is_set}
    return {item for item in value if isinstance(item, str)} if isinstance(value, list) else set()


def _plain(name: Any) -> str:
    return "".join(letter for letter in str(name).lower() if letter not in " _-")
