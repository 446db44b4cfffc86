"""Work that numbers of a world file ask for, where layers are drawn again to be looked at.

Belongs here: bounds of a join's window and of distances, by what would have to be drawn. Not here:
how zones are drawn (`processes.shapes.zones`), names of zones (`layer_graph`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets.processes.shapes.parcels_table import guessed_parcels, widest_parcel
from synthgrid_assets.world.layer_graph import all_layers, leaves
from synthgrid_assets.world.samplers import build_process
from synthgrid_assets.world.spec import LayerTable, NearTable, WorldSpec
from synthgrid_assets.world.zone_names import FOOTPRINTS, PARCELS, ZoneName, zone_name

MOST_DRAWN = 1 << 22  # cells of a join's window in which layers are drawn: some 10 s of a core
MOST_READ = 1 << 26  # cells of one in which surfaces are read
MOST_POINTS = 5e7  # that a join's window holds, of the layers that are drawn in it
MOST_NEAR_POINTS = 1e7  # within the largest distance that `near` asks for, as a square
MOST_NEAR_POLYGONS = 2e4


def points_per_cell(spec: WorldSpec, name: str) -> float:
    """Expected points of a layer in a cell before thinning; NaN where no law tells."""
    total = 0.0
    for leaf in leaves(spec, name):
        layer = spec.layers[leaf]
        if layer.process not in REGISTRY:
            return math.nan
        try:
            total += build_process(spec, layer).law.intensity
        except (SpecError, ArithmeticError, ValueError):  # told as a mistake of that layer
            return math.nan
    return total


def work_mistakes(spec: WorldSpec, layer: LayerTable) -> Iterator[tuple[str, str]]:
    """Key path below the layer and message of what would take too long, or keeps all or nothing.

    Parameters
    ----------
    spec : WorldSpec
        Its layers name each other soundly, without a cycle.
    layer : LayerTable
    """
    yield from _join_mistakes(spec, layer)
    if layer.near is None or layer.near.layer is None:
        return
    named = zone_name(layer.near.layer)
    mistake = None if named is None else _on_sides(spec, layer.near, named)
    mistake = mistake or _near_mistake(spec, layer.near, layer.near.layer, named)
    if mistake is not None:
        yield mistake


def _join_mistakes(spec: WorldSpec, layer: LayerTable) -> Iterator[tuple[str, str]]:
    if layer.join is None:
        return
    window = layer.join.over(spec.world.extent)
    given = "window" if layer.join.window else "world.extent, which is its window,"
    sources = [
        name if zone is None else zone.layer
        for name in layer.places.values()
        if (zone := zone_name(name)) is not None or name in spec.layers
    ]
    most = MOST_DRAWN if sources else MOST_READ if layer.intensity is not None else math.inf
    what = "layers" if sources else "surfaces"
    side = f"{math.isqrt(int(most)):,}" if most < math.inf else ""
    if window.area > most:
        yield (
            ".join.window",
            f"{given} has {window.area:,} cells, at most {most:,.0f} are possible where {what} "
            "decide which points there are: each worker would take "
            f"{_time(_seconds(window, most))} or more; give a window of {side} x {side} "
            "cells, as representative",
        )
        return
    drawn = {one for name in sources for one in all_layers(spec, name)}
    held = {leaf for name in drawn for leaf in leaves(spec, name)}
    points = sum(points_per_cell(spec, leaf) for leaf in held) * window.area
    if points > MOST_POINTS:
        least = math.floor(window.area * MOST_POINTS / points)
        yield (
            ".join.window",
            f"{given} holds about {points:,.0f} points of {sorted(held)}, which each worker would "
            f"draw; at most {MOST_POINTS:,.0f} are possible; give a window of at most {least:,} "
            "cells",
        )


def _on_sides(spec: WorldSpec, near: NearTable, named: ZoneName) -> tuple[str, str] | None:
    """What distances to the sides of parcels can never tell apart."""
    table = spec.layers[named.layer].parcels
    if named.kind != PARCELS or table is None:
        return None
    farthest = widest_parcel(table, spec.world.cell) / 2
    where = f"no place is farther than {farthest:.6g} m from a side of {str(named)!r}"
    if near.beyond is not None and near.beyond >= farthest:
        return ".near.beyond", f"{near.beyond!r} keeps nothing: {where}; give a smaller distance"
    if near.within is None or near.within < farthest:
        return None
    if near.beyond is None and near.falloff is None:
        return ".near.within", f"{near.within!r} keeps everything: {where}; give less, or no near"
    return None


def _near_mistake(
    spec: WorldSpec, near: NearTable, name: str, named: ZoneName | None
) -> tuple[str, str] | None:
    """A distance within which too much lies: every tile draws all of it."""
    key = max(("within", "beyond"), key=lambda one: getattr(near, one) or 0.0)
    metres, cell = getattr(near, key), spec.world.cell
    dense = points_per_cell(spec, name if named is None else named.layer)
    most, what = MOST_NEAR_POINTS, "points"
    if named is not None:
        most, what = MOST_NEAR_POLYGONS, "polygons"
        table = spec.layers[named.layer].parcels
        if named.kind != FOOTPRINTS and table is not None:
            dense = guessed_parcels(table, cell, dense * table.block**2) / table.block**2
    around = (2 * metres / cell) ** 2
    if not dense * around > most:  # also where it is not known
        return None
    return f".near.{key}", (
        f"{metres!r} m: about {dense * around:,.0f} {what} of {name!r} lie so near to a place, and "
        f"every tile draws them; at most {most:,.0f} are possible: give up to "
        f"{math.sqrt(most / dense) * cell / 2:.3g} m"
    )


def _seconds(window: Cells, most: float) -> float:
    """Of a core, about: places are so many at most, and what is drawn for one are 256 cells."""
    return 10 * min(window.area, 1 << 28) / most


def _time(seconds: float) -> str:
    """A duration in words.

    Examples
    --------
    >>> _time(90), _time(640)
    ('90 seconds', '11 minutes')
    """
    return f"{seconds / 60:,.0f} minutes" if seconds > 120 else f"{seconds:,.0f} seconds"
