"""A hold-out audit of the synthetic points: nothing but output and people who were not in it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from synthgrid_assets.inputs.released_surface import ReleasedSurface
from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.privacy.strategies import strategy
from synthgrid_assets.privacy.strategies.terms import Loss
from synthgrid_assets.processes.released import ReleasedProcess

SIDE, MEMBERS, RUNS, EPSILON = 64, 300, 100, 1
SHAPE = (SIDE, SIDE)


def excesses(release) -> np.ndarray:
    """Share of members called members less e**epsilon times that of hold-outs, by run.

    Whoever is in a block with synthetic points is called a member. For an epsilon-private world
    the expectation is 0 at most, whatever the rule.
    """
    rng, found = np.random.default_rng(14), []
    for run in range(RUNS):
        members, others = rng.integers(0, SIDE, (2, MEMBERS, 2))
        counts = np.zeros(SHAPE, np.int64)
        np.add.at(counts, tuple(members.T), 1)
        surface = ReleasedSurface(Cells(0, 0, SIDE, SIDE), 1, release(counts))
        points = ReleasedProcess(stream_key("audit", run), surface).points(surface.cells)
        seen = np.zeros(SHAPE, bool)
        seen[points.y >> CELL_BITS, points.x >> CELL_BITS] = True
        true, false = (float(seen[tuple(group.T)].mean()) for group in (members, others))
        found.append(true - math.exp(EPSILON) * false)
    return np.array(found)


def certified(found: np.ndarray) -> bool:
    """Whether the bound is broken: the mean is above 0 by 6 standard errors (1e-9)."""
    return bool(found.mean() > 6 * found.std(ddof=1) / math.sqrt(found.size))


@pytest.mark.slow
def test_a_synthetic_world_discloses_no_more_than_its_bound():
    flat = strategy("flat", SHAPE, Loss("epsilon", EPSILON))
    assert not certified(excesses(lambda counts: flat.nonnegative(flat.measure(counts))))


@pytest.mark.slow
@pytest.mark.parametrize("mutant", ["no noise", "a tenth of the noise"])
def test_the_audit_catches_a_release_without_enough_noise(mutant):
    weak = strategy("flat", SHAPE, Loss("epsilon", 10))

    def release(counts: np.ndarray) -> np.ndarray:
        return (
            counts.astype(float) if mutant == "no noise" else weak.nonnegative(weak.measure(counts))
        )

    assert certified(excesses(release))
