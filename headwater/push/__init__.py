"""push: what the warehouse and the log know goes out to tools and into the online store.

Belongs here: reverse ETL (`sync`, its comparison `changes`, its record `ledger`), streaming destinations (`stream`,
`sessions`, kept going by `worker`), profiles for the services (`online`), and the tools themselves (`destinations/`).
Does not belong here: the tables that are pushed (dbt) and Redis itself (`headwater.storage.online`).
"""
