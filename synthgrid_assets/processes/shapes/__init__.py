"""Polygons that a layer's points give rise to: their vertices, and as zones of other layers.

Belongs here: footprints and parcels on the lattice, their tables of the world file. Not here: the
products that have them (`products.footprints`, `products.parcels`).
"""
