"""Where tiles live: layout, atomic commit, journal, GeoParquet, Zarr, manifest.

Belongs here: bytes on disk and the records that make them committed. Not here: what
the rows mean (`products`), scheduling (`engine`; the two don't know each other).
"""
