"""What a world is: spec, lattice, tiling, versions, seeds, marks, surfaces and masks.

Belongs here: everything that follows from the world file alone. Not here: point
processes (`processes`), anything that writes tiles (`storage`) or knows Dagster.
"""
