"""Tests of one tile."""
