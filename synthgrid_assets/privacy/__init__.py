"""Private releases: units, mechanisms, thresholds and the record of what was drawn.

Belongs here: everything that decides how much a release reveals. Not here: seeds
(`lattice.seeding` must never be imported: noise is never derivable from a public seed).
"""
