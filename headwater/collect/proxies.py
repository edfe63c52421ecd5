"""Whose request it is, when it came through proxies.

Belongs here: which address counts. Does not belong here: what it is counted for (`limits`), the address that a sender
signed (`request`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from headwater.errors import ConfigError

Network = IPv4Network | IPv6Network
LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def networks(given: Sequence[str]) -> tuple[Network, ...]:
    """`trusted_proxies` of platform.yaml, read.

    Raises:
        ConfigError: one is neither an address nor a network.
    """
    found = []
    for text in given:
        try:
            found.append(ip_network(text, strict=False))
        except ValueError as error:
            raise ConfigError(f"platform.yaml, collector: trusted_proxies: {error}.") from error
    return tuple(found)


def client_address(
    scope: Mapping[str, Any], headers: Mapping[bytes, bytes], trusted: Sequence[Network] = LOOPBACK
) -> str | None:
    """The sender's address: of the connection, or where a trusted proxy has it, the one that `X-Forwarded-For` names.

    Each proxy adds at the end whom it heard, so the last one that is no trusted proxy is the sender; what stands before
    that, the sender wrote itself, and may have invented.
    """
    client = scope.get("client")
    address: str | None = client[0] if client else None
    forwarded = headers.get(b"x-forwarded-for")
    if not forwarded or not trusted or (address is not None and not _is_of(_read(address), trusted)):
        return address
    for text in reversed(forwarded.decode("latin-1").split(",")):
        named = _read(text)
        if named is None:
            break
        address = str(named)
        if not _is_of(named, trusted):
            break
    return address


def _is_of(address: IPv4Address | IPv6Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks)


def _read(text: str) -> IPv4Address | IPv6Address | None:
    """An address, perhaps with a port; None when it is none (`unknown`)."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
