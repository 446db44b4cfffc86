"""Tests of a region."""
