"""Rules that several verbs apply to an event: tracking plan, transformations, consent, privacy.

Belongs here: pure rules, and the worker process that runs a company's own Python. Does not belong here: the log, the
lake, the warehouse, HTTP: whoever calls has those.
"""
