"""The lattice: cells, tiles, seeds, exact arithmetic and hashes that everything else stands on."""
