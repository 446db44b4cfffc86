"""Inputs: rasters, masks and lines, read, judged and kept on the lattice."""
