"""Tests of footprints."""
