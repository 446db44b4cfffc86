"""Geometries made fit to land: valid, in one reference system, cut at the antimeridian.

Belongs here: what GEOS and PROJ decide about features that were read. Not here: their text
(`geojson`), where they go (`landing`).
"""

from synthgrid_assets.services.gateway.geometry.deduplication import Duplicates, find_duplicates
from synthgrid_assets.services.gateway.geometry.normalizer import Landed, Normalizer

__all__ = ["Duplicates", "Landed", "Normalizer", "find_duplicates"]
