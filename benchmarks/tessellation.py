"""Tessellation on one core beside its peers: rates per CPU second, and peak memory.

    python benchmarks/tessellation.py [--write] [--quick]

Points are Poisson, 8 a cell, on integer coordinates. Delaunay compares triangulators on the
same points; Voronoi compares everything up to polygon objects. Tiles include generating
points and halos. Peak memory is measured in processes of their own, over what they need
once all is imported. pythoncdt joins if it is installed.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import geopandas
import numpy as np
import shapely
from libpysal.cg import voronoi_frames
from report import machine, write_section
from scipy.spatial import Delaunay, Voronoi

from synthgrid_assets.processes.poisson import PoissonProcess
from synthgrid_assets.tessellation.constrained import tessellate_constrained
from synthgrid_assets.tessellation.constraint_insertion import constrain
from synthgrid_assets.tessellation.constraints import constraint_network
from synthgrid_assets.tessellation.polygons import ring_metres
from synthgrid_assets.tessellation.sites import Sites
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets.tessellation.triangulation import delaunay
from synthgrid_assets.world.lattice import CELL, Cells, Lattice
from synthgrid_assets.world.seeding import stream_key

LATTICE = Lattice("EPSG:32633", (0.0, 0.0), 64.0)
PROCESS = PoissonProcess(stream_key("benchmark", "tessellation"), Fraction(8))
POINTS = 30_000  # of the Delaunay comparison
SIDE = 112  # cells along the Voronoi comparison: 100,000 polygons


def source(cells: Cells) -> Sites:
    points = PROCESS.points(cells)
    return Sites(points.x, points.y, points.ids())


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median CPU time, which a busy machine disturbs least; the first call is not counted."""
    work()
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return statistics.median(times)


def beside(rows: dict[str, tuple[float, float]], unit: str) -> list[str]:
    """Table of (count, seconds) by name; the first row is ours, ratios are to it."""
    (count, ours), *_ = rows.values()
    lines = [f"| | {unit} | ours is faster by |", "|---|---|---|"]
    for name, (n, took) in rows.items():
        ratio = f"{took / n / (ours / count):.1f}" if took != ours else ""
        lines.append(f"| {name} | {n / took / 1e3:,.0f} k | {ratio} |")
    return [*lines, ""]


def delaunay_rates(repeats: int) -> list[str]:
    x, y = np.random.default_rng(0).integers(0, 2**28, (2, POINTS))
    floats = np.stack((x, y), axis=1).astype(float)
    rows = {
        "synthgrid_assets": lambda: delaunay(x, y),
        "scipy Delaunay (Qhull)": lambda: Delaunay(floats),
        "shapely delaunay_triangles (GEOS)": lambda: shapely.delaunay_triangles(
            shapely.multipoints(floats)
        ),
    }
    timed = {name: (float(POINTS), seconds(work, repeats)) for name, work in rows.items()}
    return [f"**Delaunay** of {POINTS:,} points", "", *beside(timed, "points a second")]


def our_polygons(cells: Cells) -> object:
    found = tessellate(source, cells)
    rings, offsets = ring_metres(found, LATTICE)
    return shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, rings, (offsets, np.arange(offsets.size))
    )


def scipy_polygons(floats: np.ndarray) -> list[shapely.Polygon]:
    """One polygon after the other, as tutorials do."""
    found = Voronoi(floats)
    regions = (found.regions[k] for k in found.point_region)
    return [shapely.Polygon(found.vertices[r]) for r in regions if r and -1 not in r]


def voronoi_rates(repeats: int) -> list[str]:
    cells = Cells(0, 0, SIDE, SIDE)
    sites = source(cells)
    floats = np.stack(LATTICE.metres(sites.x, sites.y), axis=1)
    frame = geopandas.GeoSeries(geopandas.points_from_xy(*floats.T))
    rows = {
        "synthgrid_assets, generation and halos included": lambda: our_polygons(cells),
        "scipy Voronoi and a Python loop": lambda: scipy_polygons(floats),
        "shapely voronoi_polygons (GEOS)": lambda: shapely.get_parts(
            shapely.voronoi_polygons(shapely.multipoints(floats))
        ),
        "libpysal voronoi_frames": lambda: voronoi_frames(
            frame, return_input=False, as_gdf=True, clip="bounding_box"
        ),
    }
    timed = {name: (float(len(sites)), seconds(work, repeats)) for name, work in rows.items()}
    return [
        f"**Voronoi** polygons of {len(sites):,} sites",
        "",
        *beside(timed, "cells a second"),
    ]


def tile_rates(repeats: int) -> list[str]:
    lines = ["**Tiles** alone: points, halo, triangles, cells", "", "| tile | cells a second |"]
    lines.append("|---|---|")
    for width, height in ((64, 64), (32, 32), (16, 16), (8, 8), (64, 1)):
        cells = Cells(0, 0, width, height)
        n = len(source(cells))
        took = seconds(lambda cells=cells: tessellate(source, cells), repeats)
        lines.append(f"| {width} x {height} | {n / took / 1e3:,.0f} k |")
    return [*lines, ""]


def roads() -> list[list[tuple[int, int]]]:
    steps = np.arange(0, 129) * (CELL // 2)
    lines = []
    for k in range(12):
        wave = ((5 * k + 3) * CELL + 1.5 * CELL * np.sin(steps / CELL / 3 + k)).astype(int).tolist()
        lines += [list(zip(steps.tolist(), wave, strict=True))]
        lines += [list(zip(wave, steps.tolist(), strict=True))]
    return lines


def constrained_rates(repeats: int) -> list[str]:
    lines = roads()
    network = constraint_network(lines, range(len(lines)))
    cut = seconds(lambda: constraint_network(lines, range(len(lines))), 1)
    sites = source(Cells(0, 0, 64, 64))
    joined = np.stack((np.r_[network.x, sites.x], np.r_[network.y, sites.y]), axis=1)
    points, number = np.unique(joined, axis=0, return_inverse=True)
    edges = number.ravel()[np.stack((network.tail, network.head), axis=1)]
    x, y = points.T.copy()
    rows = {
        "synthgrid_assets": lambda: constrain(delaunay(x, y), x, y, edges, network.id),
        "synthgrid_assets without constraints": lambda: delaunay(x, y),
    }
    try:
        import pythoncdt
    except ImportError:
        pass
    else:

        def peer() -> None:
            found = pythoncdt.Triangulation(
                pythoncdt.VertexInsertionOrder.AUTO,
                pythoncdt.IntersectingConstraintEdges.NOT_ALLOWED,
                0.0,
            )
            found.insert_vertices(np.ascontiguousarray(points, float))
            found.insert_edges(np.ascontiguousarray(edges, np.uintc))
            found.erase_super_triangle()

        rows["pythoncdt"] = peer
    timed = {name: (float(x.size), seconds(work, repeats)) for name, work in rows.items()}
    tile = Cells(16, 16, 32, 32)
    took = seconds(lambda: tessellate_constrained(source, network.within, tile), repeats)
    return [
        f"**Constrained Delaunay** of {x.size:,} points and {edges.shape[0]:,} edges "
        f"(cut into a network in {cut:.2f} s)",
        "",
        *beside(timed, "points a second"),
        f"A constrained tile of 16 x 16 cells, points and halo included: {took * 1e3:.0f} ms.",
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
        floats = np.stack(LATTICE.metres(sites.x, sites.y), axis=1)
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
        *voronoi_rates(min(repeats, 3)),
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
