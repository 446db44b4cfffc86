"""Curves of point patterns: K, F, G, J, pair correlation."""
