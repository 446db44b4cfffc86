"""Curves of one window of this world among those of its replicates: L, G, F and J with envelopes.

Belongs here: what the quality report draws and judges. Not here: the replicates (`replicates`), the
pictures (`region_maps`), the tests of tiles (`products.tile_tests`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.tile_tests.replicates import Baseline, window_counts
from synthgrid_assets.reports.kept_evidence import find_kept, keep
from synthgrid_assets.statistics.curves.distance_counts import DistanceCounts
from synthgrid_assets.statistics.curves.envelopes import Envelope, curve_fits_replicates
from synthgrid_assets.verdict import Verdict

# the check that each function's rank is reported by; G and F are one test, J follows from them
TESTS = {"L": "pairs_look_like_twins", "G, F": "neighbours_look_like_twins"}
WINDOW = "window"  # the name under which its counts are kept
CROWDED = 0.98  # F from which on J is a ratio of a few places


@dataclass(frozen=True, eq=False)
class CurveAmongReplicates:
    """One function of a window, with the global envelope of its replicates.

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
class ReplicateCurves:
    """A window of this world among its replicates.

    Parameters
    ----------
    verdicts : tuple of Verdict
        One for each of `TESTS`; a rank can call a world suspicious, never wrong.
    curves : dict of str to CurveAmongReplicates
        L, G, F, and J as far as it is known.
    """

    verdicts: tuple[Verdict, ...]
    curves: dict[str, CurveAmongReplicates]


def compare_with_replicates(context: LayerContext, baseline: Baseline) -> ReplicateCurves:
    """Ranks of this world's curves among its replicates', and all of them with their envelopes."""
    counts = _own_counts(context, baseline)
    r, area = baseline.distances.r, baseline.cells.area
    functions: dict[str, Callable[[DistanceCounts], NDArray[np.float64]]] = {
        "L": lambda windows: windows.besag_l(area),
        "G": lambda windows: windows.nearest_neighbour,
        "F": lambda windows: windows.empty_space,
        "J": lambda windows: windows.j_function,
    }
    curves, ranks = {}, {}
    for name, function in functions.items():
        own, replicates = function(counts).ravel(), function(baseline.replicates)
        known = _known(counts, baseline.replicates) if name == "J" else np.full(r.size, True)
        if known.any():
            _, envelope = curve_fits_replicates(name, own[known], replicates[:, known])
            curves[name] = CurveAmongReplicates(r[known], own[known], envelope)
    for names, test in TESTS.items():
        own, replicates = (
            np.hstack([functions[name](windows) for name in names.split(", ")])
            for windows in (counts, baseline.replicates)
        )
        ranks[test], _ = curve_fits_replicates(test, own.ravel(), replicates)
    return ReplicateCurves(tuple(ranks.values()), curves)


def _own_counts(context: LayerContext, baseline: Baseline) -> DistanceCounts:
    """This world's counts in the window, which follow from the layer alone, kept."""
    r, step = baseline.distances.r, baseline.distances.step
    window = repr((*baseline.cells, step, r.tolist()))
    found = find_kept(context, WINDOW, window)
    if found is not None:
        return DistanceCounts.of_rows(np.array([found], np.int64))
    counts = window_counts(context.sampler, baseline.cells, baseline.distances)
    keep(context, WINDOW, window, counts.as_row())
    return counts


def _known(counts: DistanceCounts, replicates: DistanceCounts) -> NDArray[np.bool_]:
    """The distances at which J is known in this window and in all replicates."""
    spaces = np.vstack([counts.empty_space, replicates.empty_space])
    return np.asarray((spaces < CROWDED).all(axis=0))
