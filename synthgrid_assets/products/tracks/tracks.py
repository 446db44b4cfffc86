"""The product ``tracks``: the fixes of the devices whose homes lie in the tile.

Belongs here: columns, digest and tests. Not here: itineraries and receivers (`itinerary`,
`receiver`), sending fixes somewhere (`services.replay`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import scipy
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.processes.shapes.zones import ShapeTargets
from synthgrid_assets.processes.thinning.proximity import ByProximity, LayerTargets
from synthgrid_assets.products.drawn_points import expected_points
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.pictures.canvas import points_picture
from synthgrid_assets.products.product import GEOMETRY, Column, Product, Rates, TileRows
from synthgrid_assets.products.tracks.itinerary import Destinations, whereabouts
from synthgrid_assets.products.tracks.receiver import receive
from synthgrid_assets.statistics.multiple_testing import bonferroni, told_together
from synthgrid_assets.storage.digest import content_digest
from synthgrid_assets.storage.formats.columns import column_values
from synthgrid_assets.storage.formats.geoparquet import point_table
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.samplers import leaves_of
from synthgrid_assets.world.spec import LayerTable
from synthgrid_assets.world.tables.tracks import TracksTable

DEVICES_TEST = "fixes_are_those_of_their_devices"
SPEED_TEST = "no_device_exceeds_its_speed"
RECEIVER_TEST = "errors_follow_the_receiver"
TIMESTAMP = pa.timestamp("us", "UTC")
_STREAM = "tracks"
_ROUNDING = 1e-3  # metres between two places that are rounded to the lattice


class Tracks(Product):
    """Fixes of devices that walk."""

    name = "tracks"
    step = "tracks"
    first_guess = Rates(40.0, 6e3, 1.5e-6, 0.02)
    claims = MappingProxyType(
        {
            DEVICES_TEST: "Each device of the tile has the fixes that its birth decides, in order "
            "of time. Exact.",
            SPEED_TEST: "True positions of consecutive fixes lie no farther apart than the fastest "
            "device gets. Exact.",
            RECEIVER_TEST: "Each device's first error has the receiver's variance, and outliers "
            "their share.",
        }
    )

    def description(self, layer: LayerTable) -> str:
        """What the asset is."""
        return (
            "Fixes of the devices whose homes are the points of the tile, also where they leave "
            "it: reported positions with a receiver's errors, and the true ones beside them. "
            "`synthgrid replay` sends them to a gateway."
        )

    def wanted(self, layer: LayerTable) -> bool:
        """Whether the layer's points move."""
        return layer.tracks is not None

    def columns(self, layer: LayerTable) -> tuple[Column, ...]:
        """Device, number and time of each fix, the truth, and the reported position."""
        places = ("x_q", "y_q")
        return (
            Column("id", "int64", "Id of the point that is the device's home.", ("id",)),
            Column("fix", "int32", "Number of the fix; gaps leave numbers out."),
            Column("time", "timestamp[us, tz=UTC]", "By the device's clock."),
            Column("trip", "int32", "Trip under way, or that led to the stay; 0 before the first."),
            Column("moving", "bool", "Whether the device is on a trip."),
            Column("outlier", "bool", "Whether the fix has an outlier's error."),
            Column("true_x", "double", "Where the device is, in the world's CRS.", places),
            Column("true_y", "double", "Where the device is, in the world's CRS.", places),
            Column("geometry", GEOMETRY, "Reported position in the world's CRS.", places),
        )

    def tests(self, layer: LayerTable) -> tuple[str, ...]:
        """Exact ones, and that of errors."""
        return (DEVICES_TEST, SPEED_TEST, RECEIVER_TEST)

    def parameters(self, layer: LayerTable) -> Mapping[str, object]:
        """The tracks' table."""
        return {} if layer.tracks is None else {"tracks": layer.tracks.model_dump(mode="json")}

    def expected_rows(self, context: LayerContext, tile: Tile) -> float:
        """The fixes of the expected points."""
        table = _table_of(context.table)
        kept = 1.0 if table.gaps is None else 1.0 - table.gaps.share
        return expected_points(context, tile.cells) * table.fixes * kept

    def rows(self, context: LayerContext, tile: Tile) -> TileRows:
        """The fixes of the tile's devices, device by device."""
        fixes = _fixes(context, tile.cells)
        columns = [fixes.id, fixes.fix, fixes.time, fixes.trip, fixes.moving, fixes.outlier]
        places = [fixes.true_x, fixes.true_y, fixes.x, fixes.y]
        whole = [np.ascontiguousarray(column, np.int64) for column in (*columns, *places)]
        return TileRows(
            _fix_table(context, fixes),
            content_digest(self.name, fixes.home_x, fixes.home_y, whole),
        )

    def verify(self, context: LayerContext, tile: Tile, rows: pa.Table) -> tuple[Verdict, ...]:
        """The rows as they were written, against the devices' walks made again."""
        fixes = _fixes(context, tile.cells)
        expected = _fix_table(context, fixes)
        names = [column.name for column in self.columns(context.table)]
        wrong = abs(rows.num_rows - expected.num_rows)
        if not wrong:
            same = [
                rows[name].combine_chunks().equals(expected[name].combine_chunks())
                for name in names
            ]
            wrong = same.count(False)
        return (
            Verdict.exact(DEVICES_TEST, wrong, "" if not wrong else "rows or columns differ"),
            Verdict.exact(SPEED_TEST, _too_fast(context, rows)),
            _errors_follow(context, rows),
        )

    def picture(self, context: LayerContext, tile: Tile, rows: TileRows) -> bytes:
        """The reported positions in the tile's frame."""
        return points_picture(context.lattice.bounds(tile.cells), self.name, rows.table)


@dataclass(frozen=True, eq=False)
class Fixes:
    """Fixes that arrive, one row each: integers alone, so that digests are exact.

    Parameters
    ----------
    id, fix, time, trip, moving, outlier : ndarray, shape (n,)
        As the product's columns; `time` in microseconds since 1970.
    true_x, true_y, x, y : ndarray of int64, shape (n,)
        Quanta.
    home_x, home_y : ndarray of int64, shape (n,)
        Cell of the device's home, to which the row belongs.
    """

    id: NDArray[np.int64]
    fix: NDArray[np.int32]
    time: NDArray[np.int64]
    trip: NDArray[np.int32]
    moving: NDArray[np.bool_]
    outlier: NDArray[np.bool_]
    true_x: NDArray[np.int64]
    true_y: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    home_x: NDArray[np.int64]
    home_y: NDArray[np.int64]


def _fixes(context: LayerContext, cells: Cells) -> Fixes:
    table, homes = _table_of(context.table), context.cache.pattern(cells)
    key, cell = context.own_stream(_STREAM), context.lattice.cell
    true = whereabouts(homes, table, key, cell, _destinations(context, table, cells))
    got = receive(homes, true, table, key, cell)
    device, fix = np.nonzero(~got.lost)
    start = round(table.start.timestamp() * 1e6)
    times = start + np.round(np.arange(table.fixes) * table.every * 1e6).astype(np.int64)
    return Fixes(
        homes.ids()[device],
        fix.astype(np.int32),
        times[fix] + got.offset[device],
        true.trip[device, fix],
        true.moving[device, fix],
        got.outlier[device, fix],
        *(column[device, fix] for column in (true.x, true.y, got.x, got.y)),
        *((column >> CELL_BITS)[device] for column in (homes.x, homes.y)),
    )


def _destinations(context: LayerContext, table: TracksTable, cells: Cells) -> Destinations:
    """The points of the layer that this one is near, within the range of the tile."""
    if not table.visits:
        return Destinations.anywhere()
    around = cells.grown(math.ceil(table.range / context.lattice.cell) + 1)
    for leaf in leaves_of(context.sampler):
        for thinning in leaf.thinnings:
            targets = thinning.targets if isinstance(thinning, ByProximity) else None
            if isinstance(targets, LayerTargets | ShapeTargets):
                places = targets.points.points(around)
                return Destinations(places.x, places.y)
    return Destinations.anywhere()


def _table_of(layer: LayerTable) -> TracksTable:
    assert layer.tracks is not None
    return layer.tracks


def _fix_table(context: LayerContext, fixes: Fixes) -> pa.Table:
    true_x, true_y = context.lattice.coordinates(fixes.true_x, fixes.true_y)
    return point_table(
        {
            "id": fixes.id,
            "fix": fixes.fix,
            "time": pa.array(fixes.time).cast(TIMESTAMP),
            "trip": fixes.trip,
            "moving": fixes.moving,
            "outlier": fixes.outlier,
            "true_x": true_x,
            "true_y": true_y,
        },
        *context.lattice.coordinates(fixes.x, fixes.y),
        crs=context.lattice.crs,
        facts=context.facts(TRACKS.name),
    )


def _too_fast(context: LayerContext, rows: pa.Table) -> int:
    """Pairs of consecutive fixes that are farther apart than a device gets."""
    table = _table_of(context.table)
    ids, fix = column_values(rows["id"]), column_values(rows["fix"])
    x, y = column_values(rows["true_x"]), column_values(rows["true_y"])
    follow = ids[1:] == ids[:-1]
    seconds = (fix[1:] - fix[:-1]) * table.every
    way = np.hypot(x[1:] - x[:-1], y[1:] - y[:-1]) * context.lattice.unit
    return int(np.count_nonzero(follow & (way > table.fastest * seconds + _ROUNDING)))


def _errors_follow(context: LayerContext, rows: pa.Table) -> Verdict:
    """Each device's first error, which are independent, and the number of outliers."""
    noise = _table_of(context.table).receiver
    outlier = column_values(rows["outlier"])
    if not rows.num_rows:
        return Verdict.not_judged(RECEIVER_TEST, "the tile has no fix")
    p_values, told = [], []
    if noise.outliers:
        odd = int(np.count_nonzero(outlier))
        p_values.append(float(scipy.stats.binomtest(odd, outlier.size, noise.outliers).pvalue))
        told.append(f"{odd:,} outliers of {outlier.size:,}, {noise.outliers:.3g} expected")
    variance = noise.white**2 + noise.drift**2
    ids = column_values(rows["id"])
    first = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    first = first[~outlier[first]]
    if variance and first.size:
        x, y = _reported(rows.take(first))
        square = (x - column_values(rows["true_x"])[first]) ** 2
        square += (y - column_values(rows["true_y"])[first]) ** 2
        square *= context.lattice.unit**2
        total = float(square.sum() / variance)
        law = scipy.stats.chi2(2 * first.size)
        p_values.append(float(min(1.0, 2 * min(law.cdf(total), law.sf(total)))))
        sd = math.sqrt(square.mean() / 2)
        told.append(
            f"{first.size:,} first errors of {sd:.3g} m, {math.sqrt(variance):.3g} declared"
        )
    if not p_values:
        return Verdict.not_judged(RECEIVER_TEST, "the receiver adds no error")
    return Verdict.significance(
        RECEIVER_TEST,
        bonferroni(p_values),
        observed=float(np.count_nonzero(outlier)),
        expected=noise.outliers * outlier.size,
        detail="; ".join(told) + told_together(p_values),
    )


def _reported(rows: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import shapely

    found = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
    return shapely.get_x(found), shapely.get_y(found)


TRACKS = Tracks()
