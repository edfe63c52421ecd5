"""The config as it is now, for a service that stays up while people edit it.

Belongs here: reading it again after an edit, and keeping the old one when the new one cannot be used. Does not belong
here: noticing an edit (`headwater.configuration.watching`), or what a config means to a route.
"""

from __future__ import annotations

import asyncio
import logging

from headwater.configuration import load_config
from headwater.configuration.watching import Watch
from headwater.errors import HeadwaterError
from headwater.settings import Settings

WATCH_SECONDS = 1.0
_log = logging.getLogger("headwater.serve")


class CurrentConfig:
    """Holds the config in use. A request takes `config` once, so that it sees one state of it from end to end.

    Raises:
        ConfigError: the config that is there at the start cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._watch = Watch(settings)  # before reading: an edit during it is seen by the first look
        self.config = load_config(settings)
        self._fault = ""

    async def follow(self) -> None:
        """Look at the files every second, beside the event loop, until cancelled."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Look once. A config that cannot be used is said once, and the one in use stays."""
        try:
            changed = self._watch.reread()
        except (HeadwaterError, OSError) as error:
            self._say(str(error))
        except Exception as error:  # noqa: BLE001 - whatever a file makes fail, later edits are to be followed
            self._say(f"{type(error).__name__}: {error}")
        else:
            if changed is not None:
                self.config, self._fault = changed, ""
                _log.warning("The changed config is in use.")

    def _say(self, fault: str) -> None:
        if fault != self._fault:
            self._fault = fault
            _log.warning("The config was changed and cannot be used; the old one stays: %s", fault)
