"""Marks: columns drawn for each point at its birth, each from its own stream.

Belongs here: how a mark is declared, one class per law, and what its numbers may depend on.
Not here: coordinates (`processes`), a layer's columns (`products`), tests (`statistics`).
"""
