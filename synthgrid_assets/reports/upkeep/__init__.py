"""Upkeep of a data root: what is damaged is made again, what is old goes, tiles are merged."""
