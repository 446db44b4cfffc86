"""Proofs: exact checks that a tessellation is what it claims to be."""
