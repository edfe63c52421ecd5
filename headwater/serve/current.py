"""The config as it is now, for a service that stays up while people edit it.

Belongs here: holding the one in use. Does not belong here: following edits (`headwater.configuration.watching`), or
what a config means to a route.
"""

from __future__ import annotations

from headwater.configuration import Config, load_config
from headwater.configuration.watching import Follower
from headwater.settings import Settings


class CurrentConfig:
    """Holds the config in use. A request takes `config` once, so that it sees one state of it from end to end.

    Raises:
        ConfigError: the config that is there at the start cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        follower = Follower(settings, self._use)  # before reading: an edit during it is seen by the first look
        self.follow, self.look = follower.run, follower.look
        self.config = load_config(settings)

    def _use(self, changed: Config) -> None:
        self.config = changed
