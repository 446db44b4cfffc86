"""Thinning: points kept by a surface, a mask or the distance to others."""
