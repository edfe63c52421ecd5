"""What the config says to the collector, ready for use.

Belongs here: write keys, limits, aliases, the plan's checker. Does not belong here: applying any of it, or following
edits (`headwater.configuration.watching`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from headwater.collect.limits import Bucket
from headwater.collect.proxies import LOOPBACK, Network, networks
from headwater.collect.webhooks.registry import TYPES
from headwater.configuration import AdminToken, Config, Cookie, EventSource, Limits, WebhookSource
from headwater.errors import ConfigError
from headwater.policy.plan import Checker


@dataclass
class Rules:
    """One state of the config. A new one takes its place whole; a request keeps the one that it began with.

    Attributes:
        write_keys: write key → source.
        source_limits, buckets: of the sources that have limits of their own, or a rate.
        checker: the tracking plan; None when nothing is planned.
        proxies: whom `X-Forwarded-For` is believed.
        aliases: first-party path prefix → the path it stands for, the longest first.
    """

    write_keys: Mapping[str, str]
    limits: Limits = field(default_factory=Limits)
    source_limits: Mapping[str, Limits] = field(default_factory=dict)
    buckets: Mapping[str, Bucket] = field(default_factory=dict)
    checker: Checker | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    cookie: Cookie | None = None
    admin_tokens: list[AdminToken] = field(default_factory=list)
    webhooks: Mapping[str, WebhookSource] = field(default_factory=dict)
    proxies: Sequence[Network] = LOOPBACK

    @classmethod
    def from_config(cls, config: Config, before: Rules | None = None) -> Rules:
        """The rules of a config; a rate that did not change goes on from `before`.

        Raises:
            ConfigError: the tracking plan cannot be compiled, nobody knows how a webhook source's tool calls, or a
                trusted proxy is no address.
        """
        own = config.platform.collector
        limits = {
            name: _limits(own.limits, source)
            for name, source in config.sources.items()
            if isinstance(source, EventSource | WebhookSource)
        }
        webhooks = {name: one for name, one in config.sources.items() if isinstance(one, WebhookSource)}
        for name, one in webhooks.items():
            if one.type not in TYPES:
                raise ConfigError(
                    f"sources.yaml, source {name}: no tool is known as «{one.type}».",
                    hint=f"Known are {', '.join(TYPES)}; `generic` with a transformation takes any other.",
                )
        checker = Checker(config)
        prefixes = sorted(own.path_aliases.items(), key=lambda item: -len(item[0]))
        return cls(
            write_keys=config.write_keys(),
            limits=own.limits,
            source_limits=limits,
            buckets={
                name: _bucket(limit, before.buckets.get(name) if before else None)
                for name, limit in limits.items()
                if limit.events_per_second > 0
            },
            checker=None if checker.is_empty else checker,
            aliases={f"/{prefix.strip('/')}": f"/{path.strip('/')}" for prefix, path in prefixes},
            cookie=own.cookie,
            admin_tokens=config.platform.admin_tokens,
            webhooks=webhooks,
            proxies=networks(own.trusted_proxies),
        )

    def limits_of(self, source: str | None) -> Limits:
        """The source's own limits, else the platform's."""
        return self.source_limits.get(source, self.limits) if source is not None else self.limits

    def route(self, path: str) -> str:
        """The path without its alias and without a slash at its end."""
        path = path.rstrip("/")
        for prefix, real in self.aliases.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                return real + path[len(prefix) :]
        return path


def _limits(platform: Limits, source: EventSource | WebhookSource) -> Limits:
    own = getattr(source, "limits", None)
    if own is None:
        return platform
    given = {name: value for name, value in msgspec.structs.asdict(own).items() if value is not None}
    return msgspec.structs.replace(platform, **given)


def _bucket(limit: Limits, before: Bucket | None) -> Bucket:
    made = Bucket(limit.events_per_second, limit.burst_events, time.monotonic())
    return before if before is not None and (before.rate, before.burst) == (made.rate, made.burst) else made
