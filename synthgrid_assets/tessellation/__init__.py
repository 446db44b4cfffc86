"""Exact Delaunay and Voronoi, tile by tile, whose union is the global tessellation.

Belongs here: integer predicates, the triangulator, halo certificates, anchors, cells.
Not here: where the points come from (a callable is handed in) and how rows are stored.
"""
