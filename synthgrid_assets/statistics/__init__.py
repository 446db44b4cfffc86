"""Estimators and calibrated tests: each states its null hypothesis and false-alarm rate.

Belongs here: statistics of patterns, tessellations and tables of tiles. Not here: the
laws themselves (next to their samplers in `processes`), Dagster checks (`dagster`).
"""
