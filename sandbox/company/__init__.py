"""The simulator: who the people are, what they do day by day, and what that leaves in events, tools and chats.

Every person lives by an own stream of random numbers, drawn in the order of time and never ahead of what the day
needs. A later `as_of` lets each person live longer and changes nothing that was, so tomorrow's run only adds.
"""
