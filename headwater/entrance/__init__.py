"""The ways into a running platform: `headwater run` (once, to the end), `headwater up` (keep running), `status`.

Belongs here: starting and watching processes, the order of the steps, and telling a person what happened. Does not
belong here: any step's work; that is in the verbs, called over HTTP, as a command, or through the Dagster graph.
"""
