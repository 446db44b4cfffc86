"""The tile engine: a bounded window of tasks over a pool of worker processes.

Belongs here: scheduling, workers, retries, deadlines, figures of its own running. Not
here: what a task computes and how it commits (the caller hands in a function).
"""
