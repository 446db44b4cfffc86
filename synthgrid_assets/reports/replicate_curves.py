"""Curves of one window of this world among those of its twins: L, G, F and J with envelopes.

Belongs here: what the quality report draws and judges. Not here: the twins (`twins`), the
pictures (`region_maps`), the tests of tiles (`tile_curves`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.products.layer_context import Workshop
from synthgrid_assets.products.tile_tests.replicates import Baseline, window_counts
from synthgrid_assets.statistics.curves.distance_counts import DistanceCounts
from synthgrid_assets.statistics.curves.envelopes import Envelope, curve_fits_twins
from synthgrid_assets.verdict import Verdict

# the check that each function's rank is reported by; G and F are one test, J follows from them
TESTS = {"L": "pairs_look_like_twins", "G, F": "neighbours_look_like_twins"}
CROWDED = 0.98  # F from which on J is a ratio of a few places


@dataclass(frozen=True, eq=False)
class CurveAmongTwins:
    """One function of a window, with the global envelope of its twins.

    Parameters
    ----------
    r : ndarray of float64, shape (m,)
        Distances in cells.
    observed : ndarray of float64, shape (m,)
    envelope : Envelope
    """

    r: NDArray[np.float64]
    observed: NDArray[np.float64]
    envelope: Envelope


@dataclass(frozen=True, eq=False)
class TwinCurves:
    """A window of this world among its twins.

    Parameters
    ----------
    verdicts : tuple of Verdict
        One for each of `TESTS`; a rank can call a world suspicious, never wrong.
    curves : dict of str to CurveAmongTwins
        L, G, F, and J as far as it is known.
    """

    verdicts: tuple[Verdict, ...]
    curves: dict[str, CurveAmongTwins]


def compare_with_twins(workshop: Workshop, baseline: Baseline) -> TwinCurves:
    """Ranks of this world's curves among its twins', and all of them with their envelopes."""
    counts = window_counts(workshop.sampler, baseline.cells, baseline.distances)
    r, area = baseline.distances.r, baseline.cells.area
    functions: dict[str, Callable[[DistanceCounts], NDArray[np.float64]]] = {
        "L": lambda windows: windows.besag_l(area),
        "G": lambda windows: windows.nearest_neighbour,
        "F": lambda windows: windows.empty_space,
        "J": lambda windows: windows.j_function,
    }
    curves, ranks = {}, {}
    for name, function in functions.items():
        own, twins = function(counts).ravel(), function(baseline.twins)
        known = _known(counts, baseline.twins) if name == "J" else np.full(r.size, True)
        if known.any():
            _, envelope = curve_fits_twins(name, own[known], twins[:, known])
            curves[name] = CurveAmongTwins(r[known], own[known], envelope)
    for names, test in TESTS.items():
        own, twins = (
            np.hstack([functions[name](windows) for name in names.split(", ")])
            for windows in (counts, baseline.twins)
        )
        ranks[test], _ = curve_fits_twins(test, own.ravel(), twins)
    return TwinCurves(tuple(ranks.values()), curves)


def _known(counts: DistanceCounts, twins: DistanceCounts) -> NDArray[np.bool_]:
    """The distances at which J is known in this window and in all twins."""
    spaces = np.vstack([counts.empty_space, twins.empty_space])
    return np.asarray((spaces < CROWDED).all(axis=0))
