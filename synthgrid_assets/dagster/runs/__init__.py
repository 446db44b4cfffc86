"""Runs: asking for one, launching it, following it."""
