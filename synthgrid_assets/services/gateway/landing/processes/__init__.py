"""Processes that land: worker and supervisor, their limits, what they are at, how much at once."""
