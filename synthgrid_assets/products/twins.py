"""Twin worlds: the same layer under other seeds, the baseline where no law is closed.

Belongs here: twins' curves and the rank of this world's among them. Not here: the curves
(`statistics.estimators`) and the test (`statistics.envelopes`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.processes.thinning import ThinnedProcess
from synthgrid_assets.products.inputs import Inputs
from synthgrid_assets.products.sampling import build_sampler
from synthgrid_assets.products.workshop import Workshop
from synthgrid_assets.statistics.envelopes import Envelope, curve_fits_twins
from synthgrid_assets.statistics.estimators import HaloedPattern
from synthgrid_assets.statistics.verdict import Verdict
from synthgrid_assets.world.lattice import Cells

TWINS = 199  # a rank among them is an exact test with p >= 1 / 200
DISTANCES = 24
TEST = "pairs_look_like_twins"


@dataclass(frozen=True, eq=False)
class TwinCurves:
    """Besag's L of a window of this world and of its twins.

    Parameters
    ----------
    cells : Cells
        The window.
    r : ndarray of float64, shape (m,)
        Distances in cells.
    observed : ndarray of float64, shape (m,)
        L of this world.
    twins : ndarray of float64, shape (n, m)
        L of the twins.
    verdict : Verdict
        Rank of this world among its twins.
    envelope : Envelope
    """

    cells: Cells
    r: NDArray[np.float64]
    observed: NDArray[np.float64]
    twins: NDArray[np.float64]
    verdict: Verdict
    envelope: Envelope


def baseline_window(workshop: Workshop) -> Cells:
    """The tile in which a layer is compared with its twins: the fullest one expected."""
    tiles = list(workshop.spec.world.tiling)
    middle = tiles[len(tiles) // 2]
    if not workshop.sampler.thinnings:
        return middle.cells
    return max(tiles, key=lambda tile: workshop.sampler.expected_count(tile.cells)).cells


def twin_curves(workshop: Workshop, inputs: Inputs, twins: int = TWINS) -> TwinCurves:
    """Compare a window of this world with the same window of its twins.

    Parameters
    ----------
    workshop : Workshop
    inputs : Inputs
        What the layer reads; twins are thinned alike.
    twins : int
        Number of twins. Each has keys of its own, so ranks are exchangeable under the null.
    """
    cells = baseline_window(workshop)
    intensity = workshop.sampler.law.intensity * float(workshop.retention(cells).by_cell.mean())
    r = _distances(intensity, workshop.spec.world.tile)
    observed = _l_function(workshop.sampler, cells, r)
    curves = np.array(
        [_l_function(_twin(workshop, inputs, number), cells, r) for number in range(twins)]
    )
    verdict, envelope = curve_fits_twins(TEST, observed, curves)
    return TwinCurves(cells, r, observed, curves, verdict, envelope)


def _twin(workshop: Workshop, inputs: Inputs, number: int) -> ThinnedProcess:
    """The layer's sampler in twin world `number`: the unit separator is in no seed."""
    world = workshop.spec.world
    seed = f"{world.seed}\x1ftwin/{number}"
    other = workshop.spec.model_copy(update={"world": world.model_copy(update={"seed": seed})})
    return build_sampler(other, workshop.layer, inputs)


def _distances(intensity: float, side: int) -> NDArray[np.float64]:
    """Distances up to four mean spacings of points, at most a quarter of a tile's side."""
    spacing = 1.0 if math.isnan(intensity) or intensity <= 0 else 1 / math.sqrt(intensity)
    return np.linspace(0, min(4 * spacing, side / 4), DISTANCES + 1)[1:]


def _l_function(
    sampler: ThinnedProcess, cells: Cells, r: NDArray[np.float64]
) -> NDArray[np.float64]:
    halo = math.ceil(r[-1])
    points = sampler.points(cells.grown(halo))
    pattern = HaloedPattern(points.x, points.y, cells, halo)
    # by the observed number of points, so that counts alone are not judged again
    observed = max(int(pattern.inner.sum()), 1) / cells.area
    return pattern.l_function(r, observed)
