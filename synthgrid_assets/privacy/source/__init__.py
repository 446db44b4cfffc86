"""Private sources: the one place where raw private points are read, in a process of its own.

Belongs here: the short-lived child process, its one message, and the bounding of users. Not here:
noise and budgets. Nothing outside of `privacy.releases` imports it.
"""
