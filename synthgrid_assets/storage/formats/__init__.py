"""Formats: GeoParquet, Zarr and what is exported, with their georeference and order of rows."""
