"""The Dagster side: assets, partitions, checks, jobs, resources, and their assembly.

Belongs here: everything that imports Dagster, one file per Dagster noun or asset family.
Not here: anything that computes a tile (`products`), which works without Dagster.
"""
