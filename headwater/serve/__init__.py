"""serve: HTTP answers at request time, from the online store.

Belongs here: the profile API (`app`), its process (`server`), its hold on Redis (`online`). Does not belong here:
filling the online store (`headwater.push.online`). Never opens the warehouse.
"""
