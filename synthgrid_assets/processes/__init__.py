"""Point processes: one module per family, its sampler and its law side by side.

Belongs here: samplers of the plane, their laws, and the registry that names them. Not
here: marks and surfaces (`world`), tests of patterns against laws (`statistics`).
"""
