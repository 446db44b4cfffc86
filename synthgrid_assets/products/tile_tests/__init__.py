"""Tests of a tile that draw it, or its replicates, again."""
