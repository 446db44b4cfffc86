"""Tessellation on one core beside its peers: rates per CPU second, and peak memory.

    python benchmarks/tessellation.py [--write] [--quick]

Points are Poisson, 8 a cell, on integer coordinates. Peers are given the points of the
rectangle and know nothing beyond; ours makes its points, and those of the halo, from the
seed, inside the measured time, and frees what it made, as the peers do. Works of one table
take turns, and each figure is a median. Peak memory is measured in processes of their own,
over what they need once all is imported. pythoncdt, triangle and startinpy join if they are
installed; the core of `triangle` is not free software, so nothing may depend on it.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely
from libpysal.cg import voronoi_frames
from report import machine, write_section
from scipy.spatial import Delaunay, Voronoi

from synthgrid_assets.lattice.cells import CELL, Cells, Lattice
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.poisson import PoissonProcess
from synthgrid_assets.tessellation.constrained import tessellate_constrained
from synthgrid_assets.tessellation.constraint_insertion import constrain
from synthgrid_assets.tessellation.constraints import planar_network
from synthgrid_assets.tessellation.halo import certified_neighbourhood
from synthgrid_assets.tessellation.ownership import owned_triangles, triangle_xy
from synthgrid_assets.tessellation.polygons import polygons, ring_metres
from synthgrid_assets.tessellation.sites import Sites
from synthgrid_assets.tessellation.tessellate import MAX_HALO, tessellate
from synthgrid_assets.tessellation.triangulation import delaunay
from synthgrid_assets.tessellation.voronoi import voronoi_cells

LATTICE = Lattice("EPSG:32633", (0.0, 0.0), 64.0)
PROCESS = PoissonProcess(stream_key("benchmark", "tessellation"), Fraction(8))
POINTS = 30_000  # of the Delaunay comparison
SIDE = 112  # cells along the Voronoi comparison: 100,000 polygons
TILE = Cells(0, 0, 36, 36)  # 10,000 points


def source(cells: Cells) -> Sites:
    points = PROCESS.points(cells)
    return Sites(points.x, points.y, points.ids())


def seconds(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median CPU time of each, in turns; a busy machine disturbs it least. First calls are free."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            begin = time.process_time()
            work()
            if turn:
                times[name].append(time.process_time() - begin)
    return {name: statistics.median(each) for name, each in times.items()}


def beside(works: dict[str, Callable[[], object]], n: int, unit: str, repeats: int) -> list[str]:
    """Table of rates; the first row is ours, ratios are to it."""
    took = seconds(works, repeats)
    ours = next(iter(took.values()))
    lines = [f"| | {unit} | ours is faster by |", "|---|---|---|"]
    for name, each in took.items():
        ratio = f"{each / ours:.1f}" if each != ours else ""
        lines.append(f"| {name} | {n / each / 1e3:,.0f} k | {ratio} |")
    return [*lines, ""]


def triangulators(x: np.ndarray, y: np.ndarray) -> dict[str, Callable[[], object]]:
    """Peers that triangulate points and nothing else."""
    floats = np.stack((x, y), axis=1).astype(float)
    works: dict[str, Callable[[], object]] = {
        "scipy Delaunay (Qhull)": lambda: Delaunay(floats),
        "shapely delaunay_triangles (GEOS)": lambda: shapely.delaunay_triangles(
            shapely.multipoints(floats)
        ),
    }
    if triangle := installed("triangle"):
        works["triangle"] = lambda: triangle.delaunay(floats)
    if startinpy := installed("startinpy"):

        def insert() -> None:
            found = startinpy.DT()
            found.insert(np.column_stack((floats, np.zeros(len(floats)))), "BBox")

        works["startinpy"] = insert
    if cdt := installed("pythoncdt"):

        def triangulate() -> None:
            found = cdt_of(cdt)
            found.insert_vertices(floats)
            found.erase_super_triangle()

        works["pythoncdt"] = triangulate
    return works


def installed(name: str) -> Any:
    """A module that is not required, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def cdt_of(pythoncdt: Any) -> Any:
    return pythoncdt.Triangulation(
        pythoncdt.VertexInsertionOrder.AUTO,
        pythoncdt.IntersectingConstraintEdges.NOT_ALLOWED,
        0.0,
    )


def delaunay_rates(repeats: int) -> list[str]:
    x, y = np.random.default_rng(0).integers(0, 2**28, (2, POINTS))
    works = {"synthgrid_assets": lambda: delaunay(x, y), **triangulators(x, y)}
    return [
        f"**Delaunay** of {POINTS:,} points, the same array for all",
        "",
        *beside(works, POINTS, "points a second", repeats),
    ]


def tile_triangles() -> object:
    found = certified_neighbourhood(source, TILE, MAX_HALO)
    owned = owned_triangles(found)
    return found.known.sites.id[owned.corners], triangle_xy(found, owned)


def delaunay_tile_rates(repeats: int) -> list[str]:
    sites = source(TILE)
    works = {
        "synthgrid_assets: sampling, halo, certificate, owned triangles": tile_triangles,
        "synthgrid_assets: all that and the Voronoi cells": lambda: tessellate(source, TILE),
        **triangulators(sites.x, sites.y),
    }
    return [
        f"**Delaunay of one tile** of {len(sites):,} points; peers are given them",
        "",
        *beside(works, len(sites), "points of the tile a second", 3 * repeats),
    ]


def our_polygons(cells: Cells) -> object:
    return polygons(*ring_metres(tessellate(source, cells), LATTICE))


def scipy_polygons(floats: np.ndarray) -> list[shapely.Polygon]:
    """One polygon after the other, as tutorials do."""
    found = Voronoi(floats)
    regions = (found.regions[k] for k in found.point_region)
    return [shapely.Polygon(found.vertices[r]) for r in regions if r and -1 not in r]


def voronoi_works(cells: Cells) -> dict[str, Callable[[], object]]:
    sites = source(cells)
    floats = np.stack(LATTICE.coordinates(sites.x, sites.y), axis=1)
    frame = geopandas.GeoSeries(geopandas.points_from_xy(*floats.T))
    return {
        "synthgrid_assets: sampling, halos, triangles, cells, polygons": lambda: our_polygons(
            cells
        ),
        "scipy Voronoi and a Python loop": lambda: scipy_polygons(floats),
        "shapely voronoi_polygons (GEOS)": lambda: shapely.get_parts(
            shapely.voronoi_polygons(shapely.multipoints(floats))
        ),
        "libpysal voronoi_frames": lambda: voronoi_frames(
            frame, return_input=False, as_gdf=True, clip="bounding_box"
        ),
    }


def voronoi_rates(cells: Cells, repeats: int) -> list[str]:
    """From nothing to shapely polygons; then once more without Python's garbage collector."""
    n, works = len(source(cells)), voronoi_works(cells)
    lines = [f"**Voronoi** polygons of {n:,} sites ({cells.width} x {cells.height} cells)", ""]
    lines += beside(works, n, "cells a second", repeats)
    gc.disable()
    try:
        lines += ["The same with the garbage collector off for all:", ""]
        lines += beside(works, n, "cells a second", repeats)
    finally:
        gc.enable()
    return lines


def stage_rates(repeats: int) -> list[str]:
    """Where the time of a tile's polygons goes."""
    window = certified_neighbourhood(source, TILE, MAX_HALO)
    tile = tessellate(source, TILE)
    rings, offsets = ring_metres(tile, LATTICE)
    took = seconds(
        {
            "sites of the window": lambda: source(window.window),
            "triangulation of the window": lambda: delaunay(window.x, window.y),
            "both, and the certificate": lambda: certified_neighbourhood(source, TILE, MAX_HALO),
            "Voronoi cells": lambda: voronoi_cells(window),
            "owned triangles": lambda: owned_triangles(window),
            "all of the tile's rows": lambda: tessellate(source, TILE),
            "metres": lambda: ring_metres(tile, LATTICE),
            "shapely objects, made and freed": lambda: polygons(rings, offsets),
        },
        3 * repeats,
    )
    lines = [
        f"**Stages** of the polygons of one tile of {len(tile):,} sites in a window of "
        f"{window.x.size:,}",
        "",
        "| stage | ns a cell |",
        "|---|---|",
    ]
    lines += [f"| {name} | {each / len(tile) * 1e9:,.0f} |" for name, each in took.items()]
    return [*lines, ""]


def tile_rates(repeats: int) -> list[str]:
    lines = ["**Tiles** alone: points, halo, triangles, cells", "", "| tile | cells a second |"]
    lines.append("|---|---|")
    shapes = [
        Cells(0, 0, width, height)
        for width, height in ((64, 64), (32, 32), (16, 16), (8, 8), (64, 1))
    ]
    works = {
        f"{cells.width} x {cells.height}": lambda cells=cells: tessellate(source, cells)
        for cells in shapes
    }
    for cells, (name, took) in zip(shapes, seconds(works, repeats).items(), strict=True):
        lines.append(f"| {name} | {len(source(cells)) / took / 1e3:,.0f} k |")
    return [*lines, ""]


def roads() -> list[list[tuple[int, int]]]:
    steps = np.arange(0, 129) * (CELL // 2)
    lines = []
    for k in range(12):
        wave = ((5 * k + 3) * CELL + 1.5 * CELL * np.sin(steps / CELL / 3 + k)).astype(int).tolist()
        lines += [list(zip(steps.tolist(), wave, strict=True))]
        lines += [list(zip(wave, steps.tolist(), strict=True))]
    return lines


def segments_of(lines: list[list[tuple[int, int]]]) -> np.ndarray:
    """Rows ``ax, ay, bx, by, id`` of polylines, as `planar_network` takes them."""
    rows = [
        (*min(step), *max(step), name)
        for name, line in enumerate(lines)
        for step in pairwise(line)
        if step[0] != step[1]
    ]
    return np.array(rows, np.int64)


def constrained_rates(repeats: int) -> list[str]:
    lines = roads()
    segments = segments_of(lines)
    network = planar_network(segments)
    sites = source(Cells(0, 0, 64, 64))
    joined = np.stack((np.r_[network.x, sites.x], np.r_[network.y, sites.y]), axis=1)
    points, number = np.unique(joined, axis=0, return_inverse=True)
    edges = number.ravel()[np.stack((network.tail, network.head), axis=1)]
    x, y = points.T.copy()
    works: dict[str, Callable[[], object]] = {
        "synthgrid_assets": lambda: constrain(delaunay(x, y), x, y, edges, network.id),
        "synthgrid_assets without constraints": lambda: delaunay(x, y),
    }
    if cdt := installed("pythoncdt"):

        def peer() -> None:
            found = cdt_of(cdt)
            found.insert_vertices(np.ascontiguousarray(points, float))
            found.insert_edges(np.ascontiguousarray(edges, np.uintc))
            found.erase_super_triangle()

        works["pythoncdt"] = peer
    tile = Cells(16, 16, 32, 32)
    once = seconds(
        {
            "cut": lambda: planar_network(segments),
            "tile": lambda: tessellate_constrained(source, network.within, tile),
        },
        repeats,
    )
    return [
        f"**Constrained Delaunay** of {x.size:,} points and {edges.shape[0]:,} edges "
        f"(cut into a network in {once['cut']:.2f} s)",
        "",
        *beside(works, x.size, "points a second", repeats),
        "A constrained tile of 16 x 16 cells, points and halo included: "
        f"{once['tile'] * 1e3:.0f} ms.",
        "",
    ]


def resident(field: str) -> int:
    """A memory figure of this process in KiB (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1])


def peak(way: str, side: int) -> None:
    """In a process of its own: print the memory that a way takes over what it starts with."""
    warm = Cells(0, 0, 2, 2)
    our_polygons(warm)
    sites = source(warm)
    scipy_polygons(np.stack((sites.x, sites.y), axis=1).astype(float))
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = resident("VmHWM")
    n = 0
    if way == "tiles of 32 x 32":
        for ix in range(0, side, 32):
            for iy in range(0, side, 32):
                n += len(our_polygons(Cells(ix, iy, ix + 32, iy + 32)))
    elif way == "the rectangle at once":
        n = len(our_polygons(Cells(0, 0, side, side)))
    else:
        sites = source(Cells(0, 0, side, side))
        floats = np.stack(LATTICE.coordinates(sites.x, sites.y), axis=1)
        if way == "scipy Voronoi, no polygons":
            n = len(Voronoi(floats).point_region)
        else:
            n = shapely.get_num_geometries(shapely.voronoi_polygons(shapely.multipoints(floats)))
    print(json.dumps({"mebibytes": (resident("VmHWM") - before) / 1024, "cells": int(n)}))


WAYS = (
    "tiles of 32 x 32",
    "the rectangle at once",
    "scipy Voronoi, no polygons",
    "shapely voronoi_polygons (GEOS)",
)


def memory(side: int) -> list[str]:
    lines = [
        f"**Peak memory** of the Voronoi polygons of {side} x {side} cells",
        "",
        "| | cells | MiB over the start |",
        "|---|---|---|",
    ]
    for way in WAYS:
        done = subprocess.run(
            [sys.executable, str(Path(__file__)), "--peak", way, "--side", str(side)],
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        lines.append(f"| {way} | {found['cells']:,} | {math.ceil(found['mebibytes'])} |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into RESULTS.md")
    parser.add_argument("--quick", action="store_true", help="one repeat, less memory")
    parser.add_argument("--peak", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--side", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        peak(options.peak, options.side)
        return
    repeats = 1 if options.quick else 5
    lines = [
        *delaunay_rates(repeats),
        *delaunay_tile_rates(repeats),
        *voronoi_rates(TILE, 3 * repeats),
        *voronoi_rates(Cells(0, 0, SIDE, SIDE), min(repeats, 3)),
        *stage_rates(repeats),
        *tile_rates(repeats),
        *constrained_rates(repeats),
        *memory(64 if options.quick else 256),
    ]
    body = "\n".join(lines).rstrip()
    if options.write:
        write_section("tessellation", body)
    print(machine() + "\n\n" + body)


if __name__ == "__main__":
    main()
