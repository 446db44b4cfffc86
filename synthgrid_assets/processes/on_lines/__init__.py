"""Points on lines: a network of polylines, Poisson points and clusters along it, and their law."""
