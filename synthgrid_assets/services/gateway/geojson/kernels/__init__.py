"""Compiled loops over the bytes of GeoJSON: text to WKB in one pass.

Belongs here: what runs once per byte. Not here: reasons, buffers, files.
"""
