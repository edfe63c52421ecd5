"""Every error the platform raises on purpose, classed by what its reader should do next.

Belongs here: the tree below. Does not belong here: handling. The command line prints any of these as one sentence
without a traceback; an exception from elsewhere is a defect and keeps its traceback.

    HeadwaterError
    ├── ConfigError        mend the named file and line
    ├── UsageError         call again with other arguments
    ├── BusyError          wait: another process holds what is needed
    ├── UnavailableError   try again later: disk, network or service is not there
    └── DataError          look at the data: what was read is not what it should be
"""

from __future__ import annotations


class HeadwaterError(Exception):
    """Root of the tree.

    Args:
        message: what happened and where, as one sentence.
        hint: what to do about it, as one sentence; empty when the message says it all.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ConfigError(HeadwaterError):
    """A file under the config folder is wrong. The message names file, line and the valid choices."""

    exit_code = 2


class UsageError(HeadwaterError):
    """The command or call cannot mean anything as given."""

    exit_code = 2


class BusyError(HeadwaterError):
    """Another process holds the warehouse, a port or a lock. The message names the holder."""

    exit_code = 3


class UnavailableError(HeadwaterError):
    """Something outside (disk, network, Redis, a tool) did not answer; the same call may work later."""

    exit_code = 4


class DataError(HeadwaterError):
    """Input was read, but is not what it must be; good input beside it is not affected."""

    exit_code = 5
