"""RudderStack's warehouse rules: names, flattening, types.

Belongs here: the rules (`names`, `shapes`, `columns`) and the tables that grow by them (`evolution`). Does not belong
here: what is loaded when; that is `headwater.load.event_tables`.
"""
