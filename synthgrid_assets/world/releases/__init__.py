"""Releases that layers are drawn from, as inputs of a world.

Belongs here: from a layer's table to its questions, and to the inputs that answer them. Not here:
charging and drawing (`privacy.releases`), what points and marks are drawn (`processes`).
"""
