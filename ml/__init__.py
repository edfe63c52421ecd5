"""Predictions: DataFrames in, artefacts out.

Belongs here: labels, training sets, models, their evaluation and their registry, as functions of frames and dates.
Does not belong here: reading the warehouse, knowing what time it is, Dagster, or anything imported from `headwater`;
the one kind of file touched is a model artefact in a folder that the caller names.
"""
