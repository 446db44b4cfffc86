"""What a world's tiles hold: each product's rows, its tests and its small picture.

Belongs here: the way from a validated world to tables and committed tiles, without
Dagster. Not here: scheduling (`engine`), bytes and records (`storage`), events (`dagster`).
"""
