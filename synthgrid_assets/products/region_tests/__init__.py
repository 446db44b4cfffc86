"""Tests of a product's committed tiles together: of points, and of how tiles join."""
