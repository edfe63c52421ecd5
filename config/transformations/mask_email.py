"""Addresses without the person: j•••@example.com, wherever an event says one."""

from _walk import replace_texts

DOTS = "•••"


def transform(event):
    """Every address in it masked."""
    for part in ("properties", "traits", "context"):
        if isinstance(event.get(part), dict):
            event[part] = replace_texts(event[part], masked)
    return event


def masked(text):
    """The text, or its mask when it is an address."""
    name, at, domain = text.partition("@")
    if not at or not name or "." not in domain or " " in text:
        return text
    return name[0] + DOTS + "@" + domain
