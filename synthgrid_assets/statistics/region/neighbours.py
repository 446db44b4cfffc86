"""Nearest neighbours and empty space of tiles: against the law, or against replicate tiles.

Belongs here: the tests of G, F and pairs of single windows, and of all windows of a region.
Not here: counting (`distance_counts`), making replicates (`products.tile_tests.replicates`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.processes.distances import DistanceLaw
from synthgrid_assets.processes.protocol import Law
from synthgrid_assets.statistics.curves.distance_counts import DistanceCounts, Distances
from synthgrid_assets.statistics.curves.envelopes import RankedReplicates
from synthgrid_assets.statistics.curves.rank_tests import two_sample_p_value
from synthgrid_assets.statistics.multiple_testing import bonferroni
from synthgrid_assets.statistics.region.excess import Excess, adjacent, excess
from synthgrid_assets.statistics.region.totals import FEWEST_TILES, REGION_ALPHA
from synthgrid_assets.verdict import Verdict

NEIGHBOURS = "neighbours_follow_the_law"
PAIRS = "pairs_follow_the_pcf"
EVERY = 4  # one in so many distances is tested in a region: near ones say nearly the same


@dataclass(frozen=True, eq=False)
class TileWindows:
    """Equal windows in a region's tiles.

    Parameters
    ----------
    keys : list of (int, int)
        Row and column of each tile.
    area : int
        Cells in a window.
    counts : DistanceCounts
        Of n windows.
    apart : int
        Tiles whose rows and columns differ by a multiple of this are independent.
    """

    keys: list[tuple[int, int]]
    area: int
    counts: DistanceCounts
    apart: int = 1

    def independent(self) -> NDArray[np.int64]:
        """Indices of windows that are independent of each other."""
        grid = np.array(self.keys, np.int64).reshape(-1, 2)
        return np.flatnonzero((grid % self.apart == 0).all(axis=1))


class ReplicateWindows:
    """The curves of one window in replicates, that windows of tiles are ranked among.

    Parameters
    ----------
    counts : DistanceCounts
        Of n replicates.
    area : int
        Cells in the window.
    """

    def __init__(self, counts: DistanceCounts, area: int) -> None:
        self._area = area
        self._replicates = {
            test: RankedReplicates.of(curve) for test, curve in self._curves(counts).items()
        }

    def verdicts(self, counts: DistanceCounts) -> tuple[Verdict, Verdict]:
        """Ranks of one window's curves among those of the replicates: L, then G with F.

        Returns
        -------
        tuple of Verdict
            ``pairs_follow_the_pcf`` and ``neighbours_follow_the_law``. Neither can fail: a
            rank among n replicates is at least ``1 / (n + 1)``. Below `ENVELOPE_ALPHA` it is
            `suspicious`.
        """
        curves = self._curves(counts)
        pairs, neighbours = (
            advisory(self._replicates[test].verdict(test, curves[test].ravel()))
            for test in (PAIRS, NEIGHBOURS)
        )
        return pairs, neighbours

    def _curves(self, counts: DistanceCounts) -> dict[str, NDArray[np.float64]]:
        return {
            PAIRS: counts.besag_l(self._area),
            NEIGHBOURS: np.hstack([counts.nearest_neighbour, counts.empty_space]),
        }


def nothing_within_the_core(
    verdict: Verdict, counts: DistanceCounts, distances: Distances, law: Law
) -> Verdict:
    """The verdict, but red where a pair is nearer than a hard core allows.

    That is exact: no healthy window has such a pair, thinned or not.
    """
    core = law.hard_core
    inside = distances.r <= core
    broken = int(counts.near[inside].max()) if inside.any() else 0
    if not broken:
        return verdict
    detail = f"{broken} points have a neighbour within the hard core of {core:.4g} cells"
    return replace(Verdict.exact(verdict.test, broken, detail), counts=verdict.counts)


def advisory(verdict: Verdict) -> Verdict:
    """The verdict of a rank: suspicious at most, whatever its p-value."""
    detail = verdict.detail if verdict.passed else f"suspicious, {verdict.detail}"
    return replace(
        verdict,
        passed=True,
        suspicious=not verdict.passed,
        false_alarm_rate=0.0,
        detail=detail,
    )


def neighbours_follow_the_law(
    tiles: TileWindows,
    distances: Distances,
    law: Law,
    replicates: DistanceCounts | None,
    alpha: float = REGION_ALPHA,
) -> Verdict:
    """The tiles' nearest neighbours and empty spaces are those of the law.

    Parameters
    ----------
    tiles : TileWindows
    distances : Distances
    law : Law
        In cell units; nothing is thinned.
    replicates : DistanceCounts or None
        Of replicate tiles; not needed where F and G are closed forms (`DistanceLaw`).
    alpha : float
        Bound of the probability that a healthy region fails.

    Returns
    -------
    Verdict
        Null hypothesis: the process. Where F and G are closed forms: points with a
        neighbour, and places with a point, within some distances, minus their
        expectation, by `excess`. Elsewhere: each of these shares in independent tiles
        against replicate tiles (`rank_tests`). Bonferroni over both at all distances.
    """
    if len(tiles.keys) < FEWEST_TILES:
        return _too_few(NEIGHBOURS, len(tiles.keys))
    chosen = np.arange(EVERY - 1, distances.r.size, EVERY)
    f, g = _closed_forms(law, distances.r[chosen])
    if np.isfinite(f).all():
        return _against_law(tiles, distances.r, chosen, law.intensity, (f, g), alpha)
    shares = [("nearest neighbours", "nearest_neighbour"), ("empty space", "empty_space")]
    curves = {
        name: (getattr(tiles.counts, share), getattr(replicates, share))
        for name, share in shares
        if replicates is not None
    }
    return _against_replicates(NEIGHBOURS, tiles, curves, distances.r, chosen, alpha)


def pairs_are_those_of_replicates(
    tiles: TileWindows,
    distances: Distances,
    replicates: DistanceCounts | None,
    alpha: float = REGION_ALPHA,
) -> Verdict:
    """The tiles' pairs are those of replicate tiles: for laws whose K is not a closed form."""
    chosen = np.arange(EVERY - 1, distances.r.size, EVERY)
    curves = {}
    if replicates is not None:
        curves["pairs"] = tiles.counts.besag_l(tiles.area), replicates.besag_l(tiles.area)
    return _against_replicates(PAIRS, tiles, curves, distances.r, chosen, alpha)


def counts_are_those_of_replicates(
    tiles: TileWindows, replicates: DistanceCounts | None, alpha: float = REGION_ALPHA
) -> Verdict:
    """The tiles hold as many points as replicate tiles: for laws of which no moments are known."""
    nowhere = np.zeros(1)
    curves = {}
    if replicates is not None:
        own, others = (
            windows.points[:, None].astype(float) for windows in (tiles.counts, replicates)
        )
        curves["points"] = own, others
    return _against_replicates("mean_variance_hold", tiles, curves, nowhere, np.arange(1), alpha)


def _closed_forms(
    law: Law, r: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if isinstance(law, DistanceLaw):
        return law.empty_space(r), law.nearest_neighbour(r)
    unknown = np.full(r.shape, np.nan)
    return unknown, unknown


def _against_law(
    tiles: TileWindows,
    r: NDArray[np.float64],
    chosen: NDArray[np.int64],
    intensity: float,
    closed: tuple[NDArray[np.float64], NDArray[np.float64]],
    alpha: float,
) -> Verdict:
    counts, neighbours = tiles.counts, adjacent(tiles.keys)
    mean_points = np.full(len(tiles.keys), intensity * tiles.area)
    surplus = counts.points - mean_points
    found: list[tuple[str, float, Excess]] = []
    for at, f, g in zip(chosen, *closed, strict=True):
        near, empty = counts.near[:, at], counts.empty[:, at]
        for what, within, of, mean, share in (
            ("points", near, counts.points, mean_points, g),
            ("places", empty, counts.places, counts.places.astype(np.float64), f),
        ):
            if share > 0.5:  # the rarer of both: few counts are judged as few
                what, within, share = f"{what} without a neighbour", of - within, 1 - share
            else:
                what = f"{what} with a neighbour"
            found.append((what, float(r[at]), excess(within, share * mean, surplus, neighbours)))
    what, distance, worst = min(found, key=lambda test: test[2].p_value)
    return Verdict.significance(
        NEIGHBOURS,
        bonferroni([test.p_value for _, _, test in found]),
        observed=worst.observed,
        expected=worst.expected,
        standard_error=worst.standard_error,
        alpha=alpha,
        detail=(
            f"{what} within {distance:.3g} cells, at equal numbers of points: "
            f"{worst.observed:.6g}, {worst.expected:.6g} +- {worst.standard_error:.3g} expected "
            f"from {len(tiles.keys)} tiles"
        ),
    )


def _against_replicates(
    test: str,
    tiles: TileWindows,
    curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    r: NDArray[np.float64],
    chosen: NDArray[np.int64],
    alpha: float,
) -> Verdict:
    """Each curve of independent tiles, at the chosen distances, against that of replicates."""
    used = tiles.independent()
    if not curves:
        return Verdict.not_judged(test, "no closed form and no replicates to compare with")
    if used.size < FEWEST_TILES:
        return _too_few(test, used.size)
    found = [
        (two_sample_p_value(own[used, at], others[:, at]), name, at)
        for name, (own, others) in curves.items()
        for at in chosen
    ]
    _, name, at = min(found)
    own, others = curves[name][0][used, at], curves[name][1][:, at]
    where = f" within {r[at]:.3g} cells" if r[at] else ""
    return Verdict.significance(
        test,
        bonferroni([p for p, _, _ in found]),
        observed=float(np.median(own)),
        expected=float(np.median(others)),
        alpha=alpha,
        detail=(
            f"{name}{where}: median {np.median(own):.4g} of {used.size} independent tiles, "
            f"{np.median(others):.4g} of {len(others)} replicate tiles"
        ),
    )


def _too_few(test: str, tiles: int) -> Verdict:
    return Verdict.not_judged(test, f"{tiles} tiles apart, too few to be compared")
