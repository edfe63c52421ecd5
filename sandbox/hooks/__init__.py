"""What the company's tools call others with as things happen there (webhooks): shapes, signatures, sending.

Belongs here: the calls as the tools' documentation has them. Does not belong here: the tools' own APIs
(`sandbox.tools`), or anything of the platform that is called.
"""
