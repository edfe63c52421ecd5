"""The payment tool's database: a real Postgres 16 in the company's folder, and its tables.

Belongs here: starting and stopping it, filling it. Does not belong here: what is in the tables (`sandbox.company`).
"""
