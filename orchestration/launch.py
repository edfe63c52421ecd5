"""`python -m orchestration.launch`: one run of the whole graph in this process.

Belongs here: preparing the instance, executing the job «everything», the exit code. Does not belong here: starting
services or showing results (`headwater.entrance`).
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings

import dagster as dg

from headwater.errors import DataError, HeadwaterError
from headwater.settings import load_settings
from orchestration.instance import PID_TAG, end_dead_runs, open_instance
from orchestration.parsed import ensure_manifest


def main() -> int:
    """Run it; 0 when every step succeeded, that of a `DataError` when only tables of tools failed, 1 otherwise."""
    warnings.filterwarnings("ignore", category=dg.SupersessionWarning)
    parser = argparse.ArgumentParser(prog="orchestration.launch", description=__doc__)
    parser.add_argument("--job", default="everything", help="job to run (default: everything)")
    parser.add_argument("--prepare", action="store_true", help="only prepare: dagster.yaml, dead runs, dbt's manifest")
    parser.add_argument("--exclusive", action="store_true", help="the caller holds the home: every open run is dead")
    options = parser.parse_args()
    settings = load_settings()
    try:
        ensure_manifest(settings)
        with open_instance(settings) as instance:
            end_dead_runs(instance, all_are_dead=options.exclusive)
            return 0 if options.prepare else _execute(instance, options.job)
    except HeadwaterError as error:
        print(f"headwater: {error}", file=sys.stderr)
        return error.exit_code


def _execute(instance: dg.DagsterInstance, job: str) -> int:
    from orchestration.checks import PULLED
    from orchestration.definitions import defs
    from orchestration.platform import AS_OF_TAG, config
    from orchestration.progress import said

    as_of = load_settings().as_of
    tags = {PID_TAG: str(os.getpid())}
    if as_of:
        tags[AS_OF_TAG] = as_of.isoformat(sep=" ")
    result = (
        defs()
        .resolve_job_def(job)
        .execute_in_process(instance=instance, tags=tags, run_config={"loggers": {"console": {}}}, raise_on_error=False)
    )
    if result.success:
        return 0
    failed = {event.step_key: event.step_failure_data.error for event in result.all_events if event.is_step_failure}
    tables = {f"{PULLED}_{name}" for name in config().sources}
    if not failed or set(failed) - tables:
        return 1
    told = " ".join(said(error) for error in failed.values() if error)
    raise DataError(told, hint="Everything else is built, with the rows that were there.")


if __name__ == "__main__":
    sys.exit(main())
