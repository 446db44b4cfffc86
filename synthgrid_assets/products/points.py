"""The product ``points``: what its tiles hold, and their tests.

Belongs here: columns, facts and the order of tests. Not here: drawing points (`drawn_points`),
tests' statistics (`statistics`), those of a region (`region_tests.point_tests`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from synthgrid_assets.lattice.hashing import Component, version_hash
from synthgrid_assets.lattice.seeding import philox_words
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.products.drawn_points import (
    counts_per_cell,
    draw,
    expected_points,
    points_digest,
    points_table,
)
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.pictures.canvas import points_picture
from synthgrid_assets.products.product import GEOMETRY, ORIGIN, Column, Product, Rates, TileRows
from synthgrid_assets.products.region_tests import point_tests
from synthgrid_assets.products.region_tests.committed_tiles import CommittedTile
from synthgrid_assets.products.region_tests.contract_tests import CLAIMS, contract_tests
from synthgrid_assets.products.region_tests.region_check import RegionCheck
from synthgrid_assets.products.tile_tests.line_tests import TEST as LINES
from synthgrid_assets.products.tile_tests.line_tests import verify_lines
from synthgrid_assets.products.tile_tests.mark_tests import verify_marks
from synthgrid_assets.products.tile_tests.redrawn_tile import verify_curves
from synthgrid_assets.products.tile_tests.replicates import (
    REPLICATES,
    baseline_key,
    baseline_of,
    tile_counts_of,
    why_no_replicates,
)
from synthgrid_assets.statistics.region.neighbours import NEIGHBOURS, PAIRS
from synthgrid_assets.statistics.tile.counts import counts_match_the_process, tile_count
from synthgrid_assets.statistics.tile.marks import TEST as MARKS
from synthgrid_assets.statistics.tile.patterns import points_are_canonical, points_lie_in_their_tile
from synthgrid_assets.statistics.tile.quadrats import quadrats_follow_the_surface
from synthgrid_assets.storage.formats.columns import column_values
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.layer_graph import union_of
from synthgrid_assets.world.samplers import is_resolved, on_lines
from synthgrid_assets.world.spec import LayerTable, WorldSpec, lines_of
from synthgrid_assets.world.stream_keys import P_VALUE
from synthgrid_assets.world.versions import input_names, key_hex, mark_components

_COLUMNS = (
    Column("id", "int64", "Cell and place in it; the same on any tiling."),
    Column("x_q", "int64", "Lattice x in quanta (cell / 2**22)."),
    Column("y_q", "int64", "Lattice y in quanta."),
)
_ON_LINES = (
    Column("line", "int64", "Number of the line in its file, from 0; parts count one by one."),
    Column("arc_m", "double", "Metres along the line, from its start to the point."),
)


class Points(Product):
    """The layer's points."""

    name = ORIGIN
    step = "points"
    first_guess = Rates(35.0, 4e3, 2e-6, 0.006)
    claims = MappingProxyType(
        {
            "points_lie_in_their_tile": "Every point lies in the cells of its tile. Exact.",
            "points_are_canonical": "Rows are in canonical order with unique ids of their own. "
            "Exact.",
            "points_do_not_depend_on_the_tile": "A wider rectangle has the same points there. "
            "Exact.",
            "counts_match_the_process": "Each tile holds as many points as its law allows.",
            "quadrats_follow_the_surface": "Parts of each tile hold what law and surface allow.",
            PAIRS: "There are as many pairs at each distance as the law's K says.",
            NEIGHBOURS: "Nearest neighbours and empty space are as the law's G and F say.",
            LINES: "Each point stands where the length along its line says. Exact.",
            MARKS: "Each mark has its declared law, given what it depends on.",
            "mean_variance_hold": "The region's total and the spread of its tiles follow the law.",
            "p_values_are_uniform": "Tiles deviate from the law as often as chance says, no more.",
            "tiles_are_correlated_as_declared": "Neighbouring tiles are as alike as the law says.",
            **CLAIMS,
            "no_seam": "As many close pairs lie across borders of tiles as across lines inside.",
        }
    )

    def description(self, layer: LayerTable) -> str:
        """What the asset is."""
        return (
            "The layer's points, drawn from its process, thinned and marked. Each tile is a "
            "GeoParquet file; any tiling gives the same points."
        )

    def columns(self, layer: LayerTable) -> tuple[Column, ...]:
        """Id and place, the layer's marks, and the geometry."""
        marks = [
            Column(name, mark.column_type, f"Mark {name}, drawn at the point's birth.")
            for name, mark in layer.marks.items()
        ]
        if lines_of(layer) is not None:
            marks = [*_ON_LINES, *marks]
        if _names_sources(layer):
            source = "Layer that the point comes from."
            marks = [Column("source", "dictionary<string>", source), *marks]
        return (*_COLUMNS, *marks, Column("geometry", GEOMETRY, "Point in the world's CRS."))

    def tests(self, layer: LayerTable) -> tuple[str, ...]:
        """Exact ones, then those of counts, quadrats, curves and, where there are some, marks."""
        return (
            "points_lie_in_their_tile",
            "points_are_canonical",
            "points_do_not_depend_on_the_tile",
            "counts_match_the_process",
            "quadrats_follow_the_surface",
            PAIRS,
            NEIGHBOURS,
            *((MARKS,) if layer.marks else ()),
            *((LINES,) if lines_of(layer) is not None else ()),
        )

    def region_tests(self, layer: LayerTable) -> tuple[str, ...]:
        """Counts, pairs, neighbours and seams of all tiles together."""
        return (*point_tests.TESTS, *contract_tests(layer))

    def upstream(self, layer: LayerTable) -> tuple[str, ...]:
        """Points are drawn, from tiles and inputs alone."""
        return ()

    def inputs(self, spec: WorldSpec, layer: str) -> tuple[str, ...]:
        """What thins the layer, and what its marks depend on."""
        return input_names(spec, layer)

    def parameters(self, layer: LayerTable) -> dict[str, object]:
        """The members of a union that names them."""
        union = union_of(layer)
        return {"source": list(union.layers)} if union is not None and union.source else {}

    def components(self, layer: LayerTable) -> tuple[Component, ...]:
        """The marks."""
        return tuple(mark_components(layer).values())

    def expected_rows(self, context: LayerContext, tile: Tile) -> float:
        """The law's mean, or the middle of its bounds."""
        return expected_points(context, tile.cells)

    def to_prepare(self, context: LayerContext, tiles: Iterable[Tile]) -> str:
        """The replicates, where no file holds them yet."""
        made = context.layout.store.stat(baseline_key(context)) is not None
        if made or all(why_no_replicates(context, tile.cells) for tile in tiles):
            return ""
        return f"making the baseline of {context.layer}: {REPLICATES} replicates"

    def prepare(self, context: LayerContext, tiles: Iterable[Tile]) -> None:
        """The replicates that tiles are compared with."""
        if not all(why_no_replicates(context, tile.cells) for tile in tiles):
            baseline_of(context.job)

    def rows(self, context: LayerContext, tile: Tile) -> TileRows:
        """The points of a tile; the receipt says how many were expected."""
        points = draw(context, tile.cells)
        retention = context.cache.retention(tile.cells)
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

    def tested_columns(self, layer: LayerTable) -> list[str]:
        """Id, place and marks; the geometry is the place in metres."""
        return [column.name for column in self.columns(layer) if column.type != GEOMETRY]

    def verify(self, context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
        """The tests of a tile of points; of one with points elsewhere, only the first."""
        x, y, ids = (column_values(rows[name]) for name in ("x_q", "y_q", "id"))
        law, cells = context.sampler.law, tile.cells
        retention = context.cache.retention(cells)
        baseline = None if why_no_replicates(context, cells) else baseline_of(context.job)
        inside = points_lie_in_their_tile(x, y, cells)
        canonical = points_are_canonical(x, y, ids)
        replicates = tile_counts_of(baseline, cells)
        count = counts_match_the_process(x.size, law, retention, replicates=replicates)
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
            *((verify_marks(context, cells, rows),) if context.table.marks else ()),
            *_verdict_of_lines(context, rows),
        )

    def picture(self, context: LayerContext, tile: Tile, rows: TileRows) -> bytes:
        """The points in the tile's frame."""
        return points_picture(context.lattice.bounds(tile.cells), self.name, rows.table)

    def judge_region(
        self, tiles: Sequence[CommittedTile], context: LayerContext
    ) -> dict[str, RegionCheck]:
        """Counts, pairs, neighbours and seams."""
        return point_tests.judge_points(tiles, context)


def _verdict_of_lines(context: LayerContext, rows: pa.Table) -> tuple[Verdict, ...]:
    process = on_lines(context.sampler)
    if process is None:
        return ()
    return (verify_lines(process.network, context.lattice.quantum, rows),)


def _names_sources(layer: LayerTable) -> bool:
    union = union_of(layer)
    return union is not None and union.source


def seed_record(context: LayerContext, tile: Tile) -> str:
    """What decides the tile's randomness, as JSON: versions, keys, cells and their digest.

    It documents the tile; nothing is seeded with it.
    """
    components = context.keys.components(context.layer)
    record: dict[str, object] = {
        "cells": list(tile.cells),
        "components": {
            component.name: {"version": component.version, "key": key_hex(component.key)}
            for component in components
        },
    }
    return json.dumps({**record, "digest": version_hash(record)})


def _uniform(context: LayerContext, tile: Tile) -> float:
    """The word that splits the last step of the tile's count distribution."""
    key = context.keys.of(context.layer, P_VALUE)
    x, y = (np.array([edge], np.int64) for edge in tile.cells[:2])
    word = philox_words(x, y, np.array([tile.side]), np.zeros(1, np.int64), key)[0, 0]
    return float(word >> np.uint64(11)) * 2.0**-53


POINTS = Points()
