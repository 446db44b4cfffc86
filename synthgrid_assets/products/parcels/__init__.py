"""Parcels: blocks of cells cut into rectangles, and the product that has them."""
