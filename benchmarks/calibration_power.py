"""Planted faults, and the check and level at which each is found (part of `calibration.py`).

Belongs here: faults and the table of power. Not here: the checks (`calibration_judge`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from calibration_judge import (
    EXTENT,
    NEWER,
    PARAMETERS,
    PER_CELL,
    REGION_CHECKS,
    SIDE,
    TILE_TESTS,
    TILES,
    TWIN_TESTS,
    Judge,
    Judged,
    Points,
    build,
)

from synthgrid_assets.lattice.cells import CELL, CELL_BITS, Cells
from synthgrid_assets.processes.protocol import Process
from synthgrid_assets.statistics.curves.envelopes import ENVELOPE_ALPHA
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.region.seam import SeamCounter, seam_reach
from synthgrid_assets.statistics.region.totals import REGION_ALPHA, smallest_rate_error
from synthgrid_assets.statistics.tile.marks import labels_follow_their_weights
from synthgrid_assets.statistics.tile.quadrats import quadrats_follow_the_surface
from synthgrid_assets.verdict import TILE_ALPHA

# other parameters than those that are declared, by name of the process and of the fault
OTHERS: dict[str, dict[str, dict[str, object]]] = {
    "hierarchical_thomas": {
        "sigma x 1.3": {"sigma": 26.0},
        "spread x 1.3": {"spread": 78.0},
        "sizes nearly alike (doublings 1)": {"doublings": 1},
    },
    "cascade": {
        "shares more alike": {"shares": [0.35, 0.3, 0.2, 0.15]},
        "one level fewer": {"levels": 2},
    },
    "sierpinski": {"one level fewer": {"levels": 1}},
}
CAUGHT = 0.75  # share found from which on a check is named as the one that catches a fault


@dataclass(frozen=True)
class Fault:
    """A planted fault.

    Parameters
    ----------
    name : str
    sampler : callable
        The process as it runs, by number of the replicate: faulty where the fault is one of law.
    written : callable
        The points that are written, from those that the sampler draws.
    tiles : tuple of int or None
        The tiles that it touches; None for all.
    """

    name: str
    sampler: Callable[[int], Process]
    written: Callable[[Points, int], Points] = lambda points, replicate: points
    tiles: tuple[int, ...] | None = None


def _without_a_cell(points: Points, replicate: int) -> Points:
    """Without one of the cells of the first tile that hold any point."""
    x, y = points
    cell = (y >> CELL_BITS) * SIDE + (x >> CELL_BITS)
    here = (x < SIDE * CELL) & (y < SIDE * CELL)
    full = np.unique(cell[here])
    kept = ~here | (cell != full[replicate % full.size])
    return x[kept], y[kept]


def _without_cells(first: int, cells: int) -> Callable[[Points, int], Points]:
    def written(points: Points, replicate: int) -> Points:
        x, y = points
        ix, iy = (x >> CELL_BITS) - first, (y >> CELL_BITS) - first
        kept = (ix < 0) | (ix >= cells) | (iy < 0) | (iy >= cells)
        return x[kept], y[kept]

    return written


def _doubled_tile(points: Points, replicate: int) -> Points:
    x, y = points
    again = (x < SIDE * CELL) & (y < SIDE * CELL)
    return np.concatenate([x, x[again]]), np.concatenate([y, y[again]])


def _shifted_tiles(points: Points, replicate: int) -> Points:
    x, y = points
    moved = x + CELL // 2
    kept = moved // (SIDE * CELL) == x // (SIDE * CELL)
    return moved[kept], y[kept]


def _seam_of_a_cell(points: Points, replicate: int) -> Points:
    x, y = points
    kept = ((x >> CELL_BITS) % SIDE != 0) & ((y >> CELL_BITS) % SIDE != 0)
    return x[kept], y[kept]


def _own_seeds(name: str) -> Callable[[Points, int], Points]:
    def written(points: Points, replicate: int) -> Points:
        parts = []
        for number in range(TILES**2):
            ix0, iy0 = number % TILES * SIDE, number // TILES * SIDE
            cells = Cells(ix0, iy0, ix0 + SIDE, iy0 + SIDE)
            parts.append(build(name, 1000 * replicate + number).points(cells))
        return np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts])

    return written


def _faults(name: str, judge: Judge) -> list[Fault]:
    def sampler(**changed: object) -> Callable[[int], Process]:
        return lambda replicate: build(name, replicate, **changed)

    def rate(factor: float) -> Callable[[int], Process]:
        keys = ("points_per_km2", "mean_offspring", "beta_per_km2")
        parameters = {**PARAMETERS, **NEWER}[name]
        key = next(key for key in keys if key in parameters)
        value = parameters[key]
        assert isinstance(value, float)
        return sampler(**{key: value * factor})

    healthy, first = sampler(), (0,)
    planted = [Fault("rate + 10 %", rate(1.1))]
    if name in ("strauss", "hard_core"):
        intensity = float(judge.replicates.points.mean()) / SIDE**2 * PER_CELL
        instead = lambda replicate: build("poisson", replicate, points_per_km2=intensity)  # noqa: E731
        return [
            *planted,
            Fault("rate + 40 %", rate(1.4)),
            Fault(f"Poisson in place of {name}", instead),
        ]
    delta = smallest_rate_error(judge.moments)
    planted.insert(0, Fault(f"rate + {delta:.1%} (delta of the region)", rate(1 + delta)))
    if name == "thomas":
        planted += [
            Fault("sigma x 1.2", sampler(sigma=54.0)),
            Fault("Poisson in place of Thomas", lambda replicate: build("poisson", replicate)),
        ]
    planted += [
        Fault(told, sampler(**changed))  # type: ignore[arg-type]
        for told, changed in OTHERS.get(name, {}).items()
    ]
    return [
        *planted,
        Fault("one cell missing", healthy, _without_a_cell, first),
        Fault("3 x 3 cells missing", healthy, _without_cells(3, 3), first),
        Fault("tile written twice", healthy, _doubled_tile, first),
        Fault("tiles shifted by half a cell", healthy, _shifted_tiles),
        Fault("seam of one cell", healthy, _seam_of_a_cell),
        Fault("tiles of their own seeds", healthy, _own_seeds(name)),
    ]


def power_table(
    regions: int, names_of: Iterable[str] = ("poisson", "thomas", "strauss", "hard_core")
) -> Iterator[str]:
    """Share of the tiles touched, or of regions, in which each check finds each fault."""
    names = (*TILE_TESTS, *TWIN_TESTS, *REGION_CHECKS)
    yield "| process | fault | caught by | " + " | ".join(names) + " |"
    yield "|" + "---|" * (3 + len(names))
    for name in names_of:
        judge = Judge(name)
        slow = 4 if name in ("strauss", "hard_core") else 1
        for fault in _faults(name, judge):
            judged = []
            for replicate in range(5000, 5000 + max(regions // slow, 2)):
                process = fault.sampler(replicate)
                points = fault.written(process.points(EXTENT)[:2], replicate)
                judged.append(judge(points, process))
            found = _shares(judged, fault.tiles)
            row = " | ".join("." if share == 0 else f"{share:.2f}" for share in found.values())
            yield f"| {name} | {fault.name} | {_caught(found)} | {row} |"
    yield _marks_row(2_000, len(names))


def _shares(judged: list[Judged], tiles: tuple[int, ...] | None) -> dict[str, float]:
    touched = slice(None) if tiles is None else list(tiles)
    levels = dict.fromkeys(TILE_TESTS, TILE_ALPHA) | dict.fromkeys(TWIN_TESTS, ENVELOPE_ALPHA)
    shares = {
        test: float(np.mean([j.tiles[test][touched] < level for j in judged]))
        for test, level in levels.items()
    }
    return shares | {
        check: float(np.mean([j.region[check] < REGION_ALPHA for j in judged]))
        for check in REGION_CHECKS
    }


def _caught(shares: dict[str, float]) -> str:
    """The check that finds most, and its level; exact claims of single tiles first."""
    exact = {"does_not_depend_on_the_tile", "hard_core"}
    best = max(shares, key=lambda test: (shares[test], test in exact, test not in TWIN_TESTS))
    if shares[best] < CAUGHT:
        return "none reliably"
    if best in exact:
        return f"{best}, exact"
    level = f"tile, {ENVELOPE_ALPHA:g}" if best in TWIN_TESTS else "region, 1e-6"
    return f"{best}, {'tile, 1e-6' if best in TILE_TESTS else level}"


def _marks_row(tiles: int, columns: int) -> str:
    """Labels 0.6 / 0.4 of 576 points a tile."""
    rng, found = np.random.default_rng(2), 0
    for first in (576 - rng.binomial(576, 0.6, tiles)).tolist():
        counts = {"a": first, "b": 576 - first}
        found += not labels_follow_their_weights("m", counts, {"a": 0.6, "b": 0.4}).passed
    caught = f"marks_follow_their_law, tile, 1e-6: {found / tiles:.3f}"
    return f"| any | marks swapped (labels 0.6 / 0.4, 576 points) | {caught} |" + " . |" * columns


def sentences(regions: int) -> Iterator[str]:
    """What the statistical checks find without the redrawing, given more points or tiles."""
    window, red = Retention.full(SIDE, SIDE), 0
    cells = Cells(0, 0, SIDE, SIDE)
    for replicate in range(regions):
        dense = build("poisson", replicate, points_per_km2=40 * PER_CELL)
        x, y, _ = dense.points(cells)
        counts = np.bincount((y >> CELL_BITS) * SIDE + (x >> CELL_BITS), minlength=cells.area)
        counts[5 * SIDE + 5] = 0
        counts = counts.reshape(SIDE, SIDE)
        red += not quadrats_follow_the_surface(counts, dense.law, window).passed
    yield f"Quadrats, one cell missing of 40 points a cell: {red / regions:.2f} of {regions} tiles."
    law, tiles = build("thomas", 0).law, 20
    seam = SeamCounter(SIDE, seam_reach(law.intensity, SIDE), law.correlation_cells)
    for row in range(tiles):
        strip = Cells(0, row * SIDE, tiles * SIDE, row * SIDE + SIDE)
        own = [
            build("thomas", 70_000 + row * tiles + column).points(
                Cells(column * SIDE, strip.iy0, column * SIDE + SIDE, strip.iy1)
            )
            for column in range(tiles)
        ]
        x, y = (np.concatenate([getattr(p, axis) for p in own]) for axis in "xy")
        seam.add(strip, x, y, np.ones((SIDE, tiles * SIDE)))
    yield (
        f"Tiles of their own seeds, {tiles} x {tiles} tiles of Thomas: no_seam p = "
        f"{seam.verdict().p_value:.1e}."
    )
