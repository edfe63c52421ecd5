"""The example company's part of a run: its history is written, its tools' files dropped, its live events sent.

Belongs here: calling the sandbox as commands, the way a company's own systems would act. Does not belong here: any
code of the sandbox; platform and sandbox share none.
"""

from __future__ import annotations

import sys

from headwater.entrance.processes import run_step
from headwater.settings import Settings


def prepare_company(settings: Settings, people: int | None = None) -> None:
    """Write the company's history up to today (or the as-of day) and drop its chats into the inbox; only adds."""
    argv = [sys.executable, "-m", "sandbox", "simulate", "--out", str(settings.sandbox_dir)]
    argv += ["--inbox", str(settings.inbox)]
    if people:
        argv += ["--people", str(people)]
    if settings.as_of:
        argv += ["--as-of", settings.as_of.date().isoformat()]
    run_step(settings, argv, "simulate")


def send_live_events(settings: Settings) -> None:
    """The company's own services send its latest events with an official SDK."""
    argv = [sys.executable, "-m", "sandbox", "send", "--dir", str(settings.sandbox_dir)]
    run_step(settings, [*argv, "--collector", settings.collector_url], "send-live")
