"""Tests of points on lines."""
