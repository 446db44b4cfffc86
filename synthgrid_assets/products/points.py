"""The product ``points``: a layer's points with ids and marks, and the tests of a tile.

Belongs here: rows of points. Not here: sampling (`processes`), tests' statistics
(`statistics`), file formats (`storage.geoparquet`).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.lattice.pattern import PointPattern
from synthgrid_assets.lattice.seeding import philox_words, stream_key
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.processes.marks.columns import mark_columns
from synthgrid_assets.processes.superposition import Superposition
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.tile_rows import TileRows
from synthgrid_assets.products.tile_tests.mark_tests import verify_marks
from synthgrid_assets.products.tile_tests.redrawn_tile import verify_curves
from synthgrid_assets.products.tile_tests.replicates import (
    baseline_of,
    tile_counts_of,
    why_no_replicates,
)
from synthgrid_assets.statistics.tile.counts import counts_match_the_process, tile_count
from synthgrid_assets.statistics.tile.patterns import points_are_canonical, points_lie_in_their_tile
from synthgrid_assets.statistics.tile.quadrats import quadrats_follow_the_surface
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.geoparquet import point_table
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.layer_graph import union_of
from synthgrid_assets.world.samplers import is_resolved
from synthgrid_assets.world.versions import (
    component_key,
    copy_components,
    key_hex,
    mark_components,
    pattern_components,
)


@dataclass(frozen=True)
class Points:
    """A layer's points in a rectangle of cells.

    Parameters
    ----------
    pattern : PointPattern
    ids : ndarray of int64, shape (n,)
    marks : dict of str to pyarrow.Array
    """

    pattern: PointPattern
    ids: NDArray[np.int64]
    marks: dict[str, pa.Array]

    def take(self, inside: NDArray[np.bool_]) -> Points:
        """The points where a mask is true."""
        marks = {name: column.filter(pa.array(inside)) for name, column in self.marks.items()}
        return Points(self.pattern.take(inside), self.ids[inside], marks)


def draw(context: LayerContext, cells: Cells) -> Points:
    """The layer's points in a rectangle of cells, with ids and marks."""
    pattern, source = _drawn(context, cells)
    rasters = context.mark_rasters(pattern.x, pattern.y, cells)
    marks = mark_columns(context.table.marks, pattern, context.mark_keys, rasters)
    return Points(pattern, pattern.ids(), {**source, **marks})


def _drawn(context: LayerContext, cells: Cells) -> tuple[PointPattern, dict[str, pa.Array]]:
    """The layer's points, and the column `source` of a union that asks for it."""
    union = union_of(context.table)
    if union is None or not union.source or not isinstance(context.sampler, Superposition):
        return context.sampler.points(cells), {}
    pattern, member = context.sampler.points_with_source(cells)
    names = pa.array(union.layers, pa.string())
    return pattern, {"source": pa.DictionaryArray.from_arrays(pa.array(member), names)}


def points_table(context: LayerContext, points: Points) -> pa.Table:
    """The points as a GeoParquet table in the world's CRS."""
    x, y = points.pattern.x, points.pattern.y
    return point_table(
        {"id": points.ids, "x_q": x, "y_q": y, **points.marks},
        *context.lattice.metres(x, y),
        crs=context.lattice.crs,
        facts=context.facts("points"),
    )


def points_digest(points: Points) -> int:
    """Content digest of coordinates, ids and marks."""
    x, y = points.pattern.x, points.pattern.y
    columns = [x, y, points.ids, *(_integers(column) for column in points.marks.values())]
    return content_digest("points", x >> CELL_BITS, y >> CELL_BITS, columns)


def _integers(column: pa.Array) -> NDArray[np.int64]:
    """A mark's values as integers: codes of labels, microseconds, counts, bits of numbers."""
    if pa.types.is_dictionary(column.type):
        codes: NDArray[np.int64] = column.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        return codes
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values: NDArray[np.int64] = column.to_numpy(zero_copy_only=False).view(np.int64)
    return values


def counts_per_cell(x: NDArray[np.int64], y: NDArray[np.int64], cells: Cells) -> NDArray[np.int64]:
    """Points per atom cell, shape (height, width), south to north."""
    place = ((y >> CELL_BITS) - cells.iy0) * cells.width + ((x >> CELL_BITS) - cells.ix0)
    return np.bincount(place, minlength=cells.area).reshape(cells.height, cells.width)


def make_points(context: LayerContext, tile: Tile) -> TileRows:
    """The rows of a tile of points, with what its receipt says of them."""
    points = draw(context, tile.cells)
    retention = context.retention(tile.cells)
    law = context.sampler.law
    record = tile_count(len(points.pattern), law, retention, _uniform(context, tile))
    if not is_resolved(context.sampler):
        record = replace(record, variance=math.nan, randomised=math.nan)
    return TileRows(
        points_table(context, points),
        points_digest(points),
        expected=record.mean,
        facts=(
            ("count_variance", record.variance),
            ("p_randomised", record.randomised),
            ("seed_record", seed_record(context, tile)),
        ),
    )


def verify_points(context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
    """The tests of a tile of points, on its rows as they were written."""
    x, y, ids = (rows[name].to_numpy() for name in ("x_q", "y_q", "id"))
    law, cells = context.sampler.law, tile.cells
    retention = context.retention(cells)
    baseline = None if why_no_replicates(context, cells) else baseline_of(context.job)
    inside = points_lie_in_their_tile(x, y, cells)
    canonical = points_are_canonical(x, y, ids)
    count = counts_match_the_process(
        x.size, law, retention, replicates=tile_counts_of(baseline, cells)
    )
    if not inside.passed:
        return inside, canonical, count
    same, pairs, neighbours = verify_curves(context, cells, (x, y, ids), baseline)
    counts = counts_per_cell(x, y, cells)
    return (
        inside,
        canonical,
        same,
        count,
        quadrats_follow_the_surface(counts, law, retention),
        pairs,
        neighbours,
        verify_marks(context, cells, rows),
    )


def seed_record(context: LayerContext, tile: Tile) -> str:
    """What decides the tile's randomness, as JSON: versions, keys, cells and their digest.

    It documents the tile; nothing is seeded with it.
    """
    components = [
        *pattern_components(context.spec, context.layer),
        *mark_components(context.table).values(),
    ]
    record: dict[str, object] = {
        "cells": list(tile.cells),
        "components": {
            component.name: {
                "version": component.version,
                "key": key_hex(component_key(context.spec, context.layer, component)),
            }
            for component in components
        },
    }
    return json.dumps({**record, "digest": version_hash(record)})


def _uniform(context: LayerContext, tile: Tile) -> float:
    """The word that splits the last step of the tile's count distribution."""
    copy = (component.name for component in copy_components(context.table))
    key = stream_key(context.spec.world.seed, context.layer, "p-value", *copy)
    x, y = (np.array([edge], np.int64) for edge in tile.cells[:2])
    word = philox_words(x, y, np.array([tile.side]), np.zeros(1, np.int64), key)[0, 0]
    return float(word >> np.uint64(11)) * 2.0**-53
