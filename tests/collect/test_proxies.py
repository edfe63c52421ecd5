"""Who the client is, behind proxies that are trusted and behind others."""

from __future__ import annotations

import pytest

from headwater.collect.proxies import client_address, networks
from headwater.collect.rules import Rules
from headwater.configuration import load_config
from headwater.errors import ConfigError
from headwater.settings import CHECKOUT, load_settings

CLIENT, PROXY, LAST = "203.0.113.7", "10.0.0.5", "127.0.0.1"


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        (CLIENT, None, CLIENT),
        (CLIENT, "198.51.100.1", CLIENT),  # no proxy of ours, so its word counts for nothing
        (PROXY, CLIENT, CLIENT),
        (PROXY, f"198.51.100.1, {CLIENT}", CLIENT),  # the first entry is what the client itself sent
        (LAST, f"198.51.100.1, {CLIENT}, {PROXY}", CLIENT),
        (LAST, f"{PROXY}, {LAST}", PROXY),
        (LAST, None, LAST),
        (LAST, "", LAST),
        (LAST, f"{CLIENT}, unknown", LAST),
        (LAST, f"{CLIENT}, unknown, {PROXY}", PROXY),
        (LAST, f"{CLIENT}:4711", CLIENT),
        ("::1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:127.0.0.1", CLIENT, CLIENT),
        (None, CLIENT, CLIENT),
        (None, None, None),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy(
    peer: str | None, forwarded: str | None, expected: str | None
) -> None:
    headers = {b"x-forwarded-for": forwarded.encode()} if forwarded is not None else {}
    scope = {"client": (peer, 1) if peer else None}
    assert client_address(scope, headers, networks(["127.0.0.0/8", "::1", "10.0.0.0/8"])) == expected


def test_where_no_proxy_is_trusted_the_header_says_nothing() -> None:
    assert client_address({"client": (LAST, 1)}, {b"x-forwarded-for": CLIENT.encode()}, networks([])) == LAST


def test_the_config_names_the_proxies_and_what_is_none_is_refused() -> None:
    config = load_config(load_settings(None, CHECKOUT / "config"))
    config.platform.collector.trusted_proxies = ["10.1.2.3"]
    assert [str(one) for one in Rules.from_config(config).proxies] == ["10.1.2.3/32"]
    config.platform.collector.trusted_proxies = ["the proxy"]
    with pytest.raises(ConfigError, match="trusted_proxies: 'the proxy' does not appear to be"):
        Rules.from_config(config)
