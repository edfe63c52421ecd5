"""The one logger of every run: a line a finished asset for a person, warnings and errors in full.

Belongs here: turning Dagster's events into lines. Does not belong here: what is run.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import dagster as dg

from headwater import errors
from orchestration.checks import FAILING

_NAMED = 5
_OURS = {
    name for name, found in vars(errors).items() if isinstance(found, type) and issubclass(found, errors.HeadwaterError)
}


class ProgressHandler(logging.Handler):
    """Prints one line an asset or failed check, and what is logged at the level asked for."""

    def emit(self, record: logging.LogRecord) -> None:
        event: Any = getattr(record, "dagster_event", None)
        line = self._line(event) if event else self._message(record)
        if line:
            print(line, file=sys.stdout, flush=True)

    def _line(self, event: Any) -> str:
        if event.is_step_materialization:
            materialization = event.step_materialization_data.materialization
            count = materialization.metadata.get("dagster/row_count")
            rows = f"{count.value:>12,} rows" if count else ""
            return f"  {materialization.asset_key.to_user_string():<44}{rows}"
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            if not check.passed:
                about = f"{check.asset_key.to_user_string()} {check.check_name}"
                failing = check.metadata.get("dagster_dbt/failed_row_count")
                rows = f": {failing.value:,} rows" if failing else ""
                return f"  check failed ({check.severity.value.lower()}): {about}{rows}{_named(check.metadata)}"
        if event.is_failure:
            error = getattr(event.event_specific_data, "error", None)
            return f"  {event.step_key or 'run'} failed: {said(error) if error else event.message}"
        return ""

    def _message(self, record: logging.LogRecord) -> str:
        if record.levelno < logging.WARNING:
            return ""
        meta: dict[str, Any] = getattr(record, "dagster_meta", None) or {}
        return f"  {record.levelname.lower()}: {meta.get('orig_message') or record.getMessage()}"


def said(error: Any) -> str:
    """The platform's own sentence where it has one, else what was at the bottom of it."""
    while error.cls_name not in _OURS and error.cause is not None:
        error = error.cause
    return str(error.message.strip().removeprefix(f"headwater.errors.{error.cls_name}: "))


def _named(metadata: Any) -> str:
    """The first failing rows of a check that tells them, a line each."""
    told = metadata.get(FAILING)
    lines = [", ".join(f"{name} {value}" for name, value in row.items()) for row in (told.value if told else [])]
    return "".join(f"\n    {line}" for line in lines[:_NAMED])


@dg.logger(description="One line an asset; warnings and errors in full.")
def progress(_context: dg.InitLoggerContext) -> logging.Logger:
    """A logger of its own, so that no other handler prints the same line."""
    found = logging.Logger("headwater", level=logging.DEBUG)
    found.addHandler(ProgressHandler())
    return found
