"""Kinds of inputs: one file for each table of the world file, one for each thing made of them."""
