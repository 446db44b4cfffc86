"""One triangulation of stored points, in a process of its own: CPU seconds and peak memory.

    PYTHON triangulator_peers.py NAME FOLDER

FOLDER holds `points.npy` and perhaps `edges.npy`. Needs NumPy and the peer alone, so that a
peer's own environment can run it. Prints one line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

Work = Callable[[Any, Any], object]


def ours() -> Work:
    from synthgrid_assets.tessellation.constraint_insertion import constrain
    from synthgrid_assets.tessellation.triangulation import delaunay

    def run(points: Any, edges: Any) -> object:
        x, y = points.T.copy()
        mesh = delaunay(x, y)
        if edges is None:
            return mesh
        return constrain(mesh, x, y, edges, np.zeros(len(edges), np.int64))

    few = np.array([[0, 0], [9, 1], [1, 9], [8, 8]])
    run(few, np.array([[1, 2]]))  # compiles, or reads what was compiled
    return run


def scipy() -> Work:
    from scipy.spatial import Delaunay

    return lambda points, edges: Delaunay(points.astype(float))


def geos() -> Work:
    import shapely

    return lambda points, edges: shapely.delaunay_triangles(shapely.multipoints(points))


def geos_strips() -> Work:
    """Polygons between a road and the next; GEOS takes no free points."""
    import shapely

    def run(points: Any, edges: Any) -> object:
        roads = np.split(edges[:, 0], np.flatnonzero(np.diff(edges[:, 0]) != 1) + 1)
        rings = [np.vstack((points[one], points[other[::-1]])) for one, other in pairwise(roads)]
        return shapely.constrained_delaunay_triangles([shapely.Polygon(ring) for ring in rings])

    return run


def startinpy() -> Work:
    import startinpy

    def run(points: Any, edges: Any) -> object:
        found = startinpy.DT()
        found.insert(np.column_stack((points.astype(float), np.zeros(len(points)))), "BBox")
        return found

    return run


def pythoncdt() -> Work:
    import pythoncdt as cdt

    def run(points: Any, edges: Any) -> object:
        found = cdt.Triangulation(
            cdt.VertexInsertionOrder.AUTO, cdt.IntersectingConstraintEdges.NOT_ALLOWED, 0.0
        )
        found.insert_vertices(np.ascontiguousarray(points, float))
        if edges is not None:
            found.insert_edges(np.ascontiguousarray(edges, np.uintc))
        found.erase_super_triangle()
        return found

    return run


def triangle() -> Work:
    import triangle

    def run(points: Any, edges: Any) -> object:
        if edges is None:
            return triangle.delaunay(points.astype(float))
        return triangle.triangulate({"vertices": points.astype(float), "segments": edges}, "p")

    return run


def kagen() -> Work:
    """Draws points of its own, as many, and gives their Delaunay graph (CGAL)."""
    import kagen

    return lambda points, edges: kagen.generate_rdg2d(len(points), coordinates=True)


WORKS = {
    "synthgrid_assets": ours,
    "scipy (Qhull)": scipy,
    "shapely (GEOS)": geos,
    "shapely, strips between roads, no free points": geos_strips,
    "startinpy": startinpy,
    "pythoncdt": pythoncdt,
    "triangle": triangle,
    "kagen (CGAL), its own points": kagen,
}


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    work = WORKS[name]()
    points = np.load(folder / "points.npy")
    stored = folder / "edges.npy"
    edges = np.load(stored) if stored.exists() else None
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = resident()
    begin = time.process_time()
    kept = work(points, edges)
    spent = time.process_time() - begin
    del kept
    print(json.dumps({"seconds": spent, "mebibytes": (resident() - before) / 1024}))


def resident() -> int:
    """Peak memory of this process in KiB."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])


if __name__ == "__main__":
    main()
