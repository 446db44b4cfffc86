"""Tails of tiles' counts: observed against stated rates, counts alone (part of `calibration.py`).

Belongs here: one table over up to a million tiles per process. Not here: any other check.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from calibration_judge import CALIBRATED, REPLICATES, build
from numpy.typing import NDArray
from scipy.stats import binom

from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.statistics.laws.retention import Retention
from synthgrid_assets.statistics.tile.counts import counts_match_the_process

SIDE = 4  # cells along a tile: some 60 points, the fewest of the calibration
LEVELS = (1e-2, 1e-4, 1e-6)
FEWER = {"lgcp": 10, "strauss": 10, "hard_core": 10}  # slow: so many times fewer tiles
STRIP = 250  # tiles along each side of what is drawn at once
TESTED = 1_000  # tiles that one baseline of replicates serves where the law has no moments
HEALTHY = 1e-6  # probability at which a healthy test would be said to exceed its level


def tail_table(tiles: int, names: Iterable[str] = CALIBRATED) -> Iterator[str]:
    """Share of healthy tiles with a p-value below each level."""
    yield "| process | tiles | mean count | " + " | ".join(f"p < {a:g}" for a in LEVELS) + " |"
    yield "|" + "---|" * (3 + len(LEVELS))
    for name in names:
        counts = _counts(name, max(tiles // FEWER.get(name, 1), 10_000))
        p_values = _p_values(name, counts)
        cells = [_cell(int(np.count_nonzero(p_values < a)), p_values.size, a) for a in LEVELS]
        yield f"| {name} | {p_values.size:,} | {counts.mean():.1f} | {' | '.join(cells)} |"


def _cell(found: int, tiles: int, level: float) -> str:
    """Observed count and expectation, marked where a healthy test would not exceed it."""
    too_many = binom.sf(found - 1, tiles, level) < HEALTHY
    return f"{found} of {level * tiles:.4g}" + (" **too many**" if too_many else "")


def _counts(name: str, tiles: int) -> NDArray[np.int64]:
    """Points of each tile, from worlds of at most `STRIP` x `STRIP` tiles."""
    found: list[NDArray[np.int64]] = []
    side = min(STRIP, max(int(tiles**0.5), 1))
    for replicate in range(-(-tiles // side**2)):
        process, rows = build(name, f"tails/{replicate}"), []
        for row in range(side):
            cells = Cells(0, row * SIDE, side * SIDE, row * SIDE + SIDE)
            x, _, _ = process.points(cells)
            rows.append(np.bincount((x >> CELL_BITS) // SIDE, minlength=side))
        found.append(np.concatenate(rows))
    return np.concatenate(found)[:tiles]


def _p_values(name: str, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    law, window = build(name, 0).law, Retention.full(SIDE, SIDE)
    if name not in ("strauss", "hard_core"):
        values, place = np.unique(counts, return_inverse=True)
        verdicts = [counts_match_the_process(int(n), law, window) for n in values]
        return np.array([verdict.p_value for verdict in verdicts], float)[place]
    # replicates and tiles are taken at random, so that no replicate is a neighbour of its tiles
    rng, group = np.random.default_rng(3), REPLICATES + TESTED
    shuffled = rng.permutation(counts)[: counts.size // group * group].reshape(-1, group)
    found = []
    for replicates, tiles in ((row[:REPLICATES], row[REPLICATES:]) for row in shuffled):
        values, place = np.unique(tiles, return_inverse=True)
        verdicts = [
            counts_match_the_process(int(n), law, window, replicates=replicates) for n in values
        ]
        found.append(np.array([verdict.p_value for verdict in verdicts], float)[place])
    return np.concatenate(found)
