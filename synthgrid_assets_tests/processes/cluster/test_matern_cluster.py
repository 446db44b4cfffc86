"""The Matern cluster process: offspring uniform in the disc, and nowhere else."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.seeding import OFFSPRING, stream_key
from synthgrid_assets.processes.cluster import matern_cluster
from synthgrid_assets.processes.cluster.matern_cluster import MaternClusterLaw, MaternClusterProcess


@pytest.mark.parametrize("name", ["kappa", "mu", "radius"])
@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_parameter_that_is_not_positive_is_refused_by_name(name, bad):
    with pytest.raises(SpecError, match=f"{name} must be a positive number"):
        MaternClusterLaw(**{"kappa": 1.0, "mu": 1.0, "radius": 1.0, name: bad})


@pytest.mark.parametrize("radius", [3, 1000, CELL * 200])
def test_offspring_are_uniform_in_the_disc(radius):
    """Squared distance and angle uniform; Kolmogorov-Smirnov at 1e-6 where not discrete."""
    key = stream_key("disc")
    xy = np.array(
        [
            matern_cluster._offspring(2, -7, OFFSPRING, child, key, radius)[:2]
            for child in range(20_000)
        ]
    )
    assert ((xy**2).sum(axis=1) <= (radius + 1) ** 2).all()
    error = radius / 2 / math.sqrt(len(xy))
    assert (abs(xy.mean(axis=0)) < 5 * error).all()
    if radius > 100:
        share = (xy.astype(float) ** 2).sum(axis=1) / radius**2
        assert stats.kstest(share, "uniform").pvalue > 1e-6
        angle = np.arctan2(xy[:, 1], xy[:, 0]) / (2 * math.pi) + 0.5
        assert stats.kstest(angle, "uniform").pvalue > 1e-6


def test_clusters_as_wide_as_the_lattice_allows_lose_no_point():
    law = MaternClusterLaw(0.01, 4.0, 200.0)
    counts = [
        len(
            MaternClusterProcess(
                stream_key("wide", twin), Fraction(1, 100), Fraction(4), 200 * CELL
            ).points(Cells(-3, 8, 7, 18))
        )
        for twin in range(100)
    ]
    assert abs(np.mean(counts) - 4) < 5 * math.sqrt(law.count_variance(10, 10) / 100)
