"""Tests of fits to observed points."""
