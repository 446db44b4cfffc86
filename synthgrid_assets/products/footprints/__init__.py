"""Polygons about points: their shapes, and the product that has them."""
