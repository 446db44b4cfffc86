"""Pairs along a network: spatstat.linnet's linear K, and that of Poisson points, which is r."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.on_lines.process import OnLinesProcess
from synthgrid_assets.statistics.curves.network_pairs import (
    PointsOnNetwork,
    linear_k,
    network_pairs,
)
from synthgrid_assets_tests.processes.on_lines.streets import streets
from synthgrid_assets_tests.spatstat import spatstat

SCRIPT = Path(__file__).with_name("linear_k.R")
NETWORK, ALL = streets(), Cells(-6, -6, 24, 24)
R = np.linspace(0.25, 3.0, 12)


def drawn(clusters, replicate: int = 0) -> PointsOnNetwork:
    key = stream_key("linear k", replicate)
    found = OnLinesProcess(key, NETWORK, Fraction(1), clusters).on_network(ALL)
    return PointsOnNetwork(found.segment, found.offset)


def test_it_is_the_linear_k_of_spatstat(tmp_path):
    segment, offset = drawn((Fraction(4), CELL // 2))
    node, _, first, length = NETWORK.graph
    places = np.zeros((first.size - 1, 2))
    for ends, x, y in ((node[0::2], NETWORK.x0, NETWORK.y0), (node[1::2], NETWORK.x1, NETWORK.y1)):
        places[ends] = np.stack((x, y), axis=1) / CELL
    share = (offset / length[segment])[:, None]
    xy = places[node[2 * segment]] * (1 - share) + places[node[2 * segment + 1]] * share
    for name, columns, header in (
        ("nodes", places, "x,y"),
        ("edges", np.stack((node[0::2] + 1, node[1::2] + 1), axis=1), "from,to"),
        ("points", np.column_stack((xy, segment + 1, share)), "x,y,seg,tp"),
        ("distances", np.r_[0.0, R][:, None], "r"),
    ):
        np.savetxt(tmp_path / f"{name}.csv", columns, "%.17g", ",", header=header, comments="")
    theirs = spatstat(SCRIPT, tmp_path)
    ours = {kind: linear_k(NETWORK, PointsOnNetwork(segment, offset), R, corrected=kind == "ang")
            for kind in theirs}  # fmt: skip
    np.testing.assert_allclose(ours["none"], theirs["none"][1:], rtol=1e-8)
    # places within a tolerance of a node count twice there: a pair or two of some hundred
    np.testing.assert_allclose(ours["ang"], theirs["ang"][1:], rtol=2e-3)


def test_poisson_points_have_k_equal_to_r_and_clusters_more():
    """In the loop, which is 6 long, no place is farther than half of that."""
    total = float(NETWORK.length.sum()) / CELL

    def mean(clusters, replicates):
        found = []
        for replicate in range(replicates):
            points = drawn(clusters, replicate)
            every = np.ones(points.segment.size, bool)
            found.append(network_pairs(NETWORK, points, every, R, corrected=True) / total)
        return np.array(found)

    k = mean(None, 150)
    error = k.std(axis=0, ddof=1) / np.sqrt(len(k))
    assert np.abs((k.mean(axis=0) - R) / error).max() < 5.5
    assert (mean((Fraction(4), CELL // 2), 20).mean(axis=0) > 1.3 * R).all()
