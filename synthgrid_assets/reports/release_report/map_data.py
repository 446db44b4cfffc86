"""What the map of a report draws: states, rows, a sample of points, cells around a corner.

Belongs here: choosing so much that the file stays small. Not here: the form of features
(`tile_map.features`), drawing (`tile_map/files`, `files/report.js`).
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from synthgrid_assets.errors import DamageError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.tile_state import tile_states
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import ORIGIN
from synthgrid_assets.products.region_tests.committed_tiles import recorded_tiles
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.reports.release_report.evidence import LayerEvidence
from synthgrid_assets.reports.tile_map.features import TileFeatures, tile_features
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.storage.tile_files import TileReader
from synthgrid_assets.world.spec import WorldSpec

MOST_POINTS = 60_000  # of all layers together: about 700 kB
MOST_SHAPES = 8_000  # of all layers together: about 800 kB


def world_map(spec: WorldSpec, layers: list[LayerEvidence], bbox: Box | None) -> dict[str, Any]:
    """The map as JSON.

    Parameters
    ----------
    spec : WorldSpec
    layers : list of LayerEvidence
    bbox : Box or None
        Features are taken from the tiles that meet it, and the map opens there.
    """
    tiling, lattice = spec.world.tiling, spec.world.lattice
    tiles = list(tiling) if bbox is None else tiling.covering(lattice.cells_of(bbox))
    share = max(1, len(layers))
    return {
        "name": spec.world.name,
        "cell": lattice.cell_in_crs,
        "side": tiling.side,
        "extent": list(tiling.extent),
        "columns": [tiling.columns[0], len(tiling.columns)],
        "rows": [tiling.rows[0], len(tiling.rows)],
        "look": None if bbox is None else _local(lattice.origin, bbox),
        "layers": [
            _layer_map(evidence, tiles, MOST_POINTS // share, MOST_SHAPES // share)
            for evidence in layers
        ],
    }


def _local(origin: tuple[float, float], box: Box) -> list[float]:
    east, north = origin
    return [box.xmin - east, box.ymin - north, box.xmax - east, box.ymax - north]


def _layer_map(
    evidence: LayerEvidence, tiles: list[Tile], most_points: int, most_shapes: int
) -> dict[str, Any]:
    context = evidence.context
    all_tiles = list(context.spec.world.tiling)
    assets = []
    with Journal(context.layout) as journal:
        for product in products_of(context.table):
            states = tile_states(journal, context, product.name, all_tiles)
            rows = {r.cells: r.rows for r in recorded_tiles(journal, context, product.name)}
            assets.append(
                {
                    "name": product.name,
                    "states": "".join(states[tile.cells] for tile in all_tiles),
                    "rows": [rows.get(tile.cells) for tile in all_tiles],
                }
            )
        each = max(1, most_points // max(1, len(tiles)))
        points = _features(journal, context, ORIGIN, tiles, each)
        shapes = _shapes(journal, evidence, tiles, most_shapes)
    return {
        "name": context.layer,
        "assets": assets,
        "points": _text(points),
        "shapes": _text(shapes),
        "corner": None
        if evidence.corner is None
        else _local(context.lattice.origin, Box(*(evidence.corner.x, evidence.corner.y) * 2)),
    }


def _features(
    journal: Journal, context: LayerContext, name: str, tiles: Iterable[Tile], most: int
) -> Iterator[TileFeatures]:
    cells = [tile.cells for tile in tiles]
    reader = TileReader(context.layout.store)
    for receipt in journal.find_all(context.dataset(name), cells).values():
        with contextlib.suppress(DamageError):  # its state says so
            yield from tile_features(reader, context, [receipt], most)


def _shapes(
    journal: Journal, evidence: LayerEvidence, tiles: list[Tile], most: int
) -> Iterator[TileFeatures]:
    """Whole tiles of cells or triangles, those nearest to the corner first, as many as fit."""
    context = evidence.context
    named = [product.name for product in products_of(context.table) if product.panel]
    if not named or evidence.corner is None:
        return
    name = "voronoi" if "voronoi" in named else named[0]
    found = journal.find_all(context.dataset(name), [tile.cells for tile in tiles])
    corner = (evidence.corner.x, evidence.corner.y)
    left = most
    for receipt in sorted(found.values(), key=lambda one: _distance(context, one, corner)):
        left -= receipt.rows
        if left < 0:
            return
        with contextlib.suppress(DamageError):
            yield from tile_features(TileReader(context.layout.store), context, [receipt], most)


def _distance(context: LayerContext, receipt: Receipt, place: tuple[float, float]) -> float:
    """From a tile's middle to a place, the larger of both axes."""
    west, south, east, north = context.lattice.bounds(receipt.cells)
    return max(abs((west + east) / 2 - place[0]), abs((south + north) / 2 - place[1]))


def _text(features: Iterable[TileFeatures]) -> str:
    return base64.b64encode(b"".join(one.to_bytes() for one in features)).decode()
