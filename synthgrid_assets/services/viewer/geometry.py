"""Points and shapes of the tiles that a page looks at.

Belongs here: which tiles and how many features, and refusals. Not here: their form
(`reports.tile_map.features`).
"""

from __future__ import annotations

import threading
from contextlib import suppress

from synthgrid_assets.errors import DamageError, SpecError, SynthGridError
from synthgrid_assets.reports.tile_map.features import TileFeatures, tile_features, total_alone
from synthgrid_assets.services.viewer.watched import WatchedWorld
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.store import Store
from synthgrid_assets.storage.tile_files import TileReader
from synthgrid_assets.world.tile_selection import tiles_in

MOST_TILES = 1024  # of one request
MOST_FEATURES = 2_000_000  # of one tile


class Geometry:
    """Reads tiles for pages; remembers which files were compared with their hashes."""

    def __init__(self) -> None:
        self._readers: dict[Store, TileReader] = {}
        self._lock = threading.Lock()

    def blocks(self, world: WatchedWorld, layer: str, asset: str, tiles: str, most: str) -> bytes:
        """The blocks of the committed tiles of a rectangle.

        Parameters
        ----------
        world : WatchedWorld
        layer, asset : str
        tiles : str
            ``X0:X1,Y0:Y1``, at most `MOST_TILES` of them where features are asked for.
        most : str
            Features of one tile at most; with 0 no file is read, and blocks tell totals alone.

        Raises
        ------
        SpecError
            If a name or number cannot be used.
        """
        if (layer, asset) not in world.datasets():
            raise SpecError(f"no asset {layer}/{asset} in this world")
        if not most.isdecimal() or int(most) > MOST_FEATURES:
            raise SpecError(f"most={most!r}: expected a whole number from 0 to {MOST_FEATURES}")
        context = world.contexts[layer]
        chosen = tiles_in(world.spec, tiles)
        if int(most) == 0:
            with suppress(SynthGridError):  # what was known before stays, and the page is told why
                world.refresh()
            rows = world.rows(layer, asset)
            return b"".join(
                total_alone(tile, rows[tile.cells]) for tile in chosen if tile.cells in rows
            )
        if len(chosen) > MOST_TILES:
            raise SpecError(f"{len(chosen)} tiles are too many for one answer of {MOST_TILES}")
        if not world.layout.may_have_records:
            return b""
        with Journal(world.layout) as journal:
            found = journal.find_all(context.dataset(asset), [tile.cells for tile in chosen])
        blocks: list[TileFeatures] = []
        with self._lock:
            store = world.layout.store
            reader = self._readers.setdefault(store, TileReader(store))
            for receipt in found.values():
                try:
                    blocks += tile_features(reader, context, [receipt], int(most))
                except DamageError:
                    continue  # its state says so
        return b"".join(block.to_bytes() for block in blocks)
