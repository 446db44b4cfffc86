"""Materialising: what a run makes, in which order, and how one tile is made."""
