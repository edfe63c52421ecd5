"""The example company: its people, what they do, and the tools its teams work in.

Belongs here: the simulator (`company`), the stand-ins of the company's SaaS tools (`tools`), and the commands that run
them. Does not belong here: any code of the platform. The two share nothing but files and HTTP, as two companies would.
"""
