"""Dagster and nothing else: the asset graph over the verbs, its sensors, schedules, resources.

Belongs here: asset definitions of a few lines (read, call one function, report), what triggers them, and how a run is
launched. Does not belong here: the work; that is in `headwater/` and `ml/`, which import no Dagster.
"""
