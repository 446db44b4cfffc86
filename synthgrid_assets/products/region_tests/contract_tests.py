"""What a layer's file promises its users: shares of points in zones, and caps.

Belongs here: the test of a join's selectivity, and that of a contract. Not here: the law's own
tests (`point_tests`), the tables (`world.tables`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from synthgrid_assets.inputs.masks import MaskLike
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.processes.protocol import Law
from synthgrid_assets.processes.thinning.joined import ByZones, kept_inside_and_outside
from synthgrid_assets.processes.thinning.thinned import ThinnedProcess
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.region_tests.region_check import MAX_FAILING, RegionCheck
from synthgrid_assets.products.region_tests.region_evidence import RegionEvidence, TileRow
from synthgrid_assets.statistics.laws.moments import region_moments
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.inputs import open_inputs, stored_versions
from synthgrid_assets.world.samplers import build_zones
from synthgrid_assets.world.spec import LayerTable, along_of
from synthgrid_assets.world.stream_keys import StreamKeys
from synthgrid_assets.world.tables.contract import ContractTable
from synthgrid_assets.world.versions import pattern_inputs
from synthgrid_assets.world.zone_names import zone_name

JOIN_TEST = "zones_hold_the_declared_share"
CONTRACT_TEST = "contract_is_kept"
JOIN_ALPHA = 1e-6
_FEWEST = 20.0  # points expected in zones, below which the normal law says too little
CLAIMS = {
    JOIN_TEST: "As many of the points lie in zones as the declared selectivity says.",
    CONTRACT_TEST: "Every tile and the region keep the caps of the layer's contract. Exact.",
}


def contract_tests(layer: LayerTable) -> tuple[str, ...]:
    """What is tested of a layer with such tables."""
    return (
        *((JOIN_TEST,) if layer.join is not None else ()),
        *((CONTRACT_TEST,) if layer.contract is not None else ()),
    )


def judge_contract(evidence: RegionEvidence, context: LayerContext) -> dict[str, RegionCheck]:
    """The tests of `contract_tests` on the committed tiles."""
    tiles, found = len(evidence.tiles), {}
    if context.table.join is not None:
        found[JOIN_TEST] = RegionCheck(_of_join(evidence, context), tiles)
    if context.table.contract is not None:
        found[CONTRACT_TEST] = _of_contract(evidence, context, context.table.contract)
    return found


def _of_join(evidence: RegionEvidence, context: LayerContext) -> Verdict:
    """Points in zones less their share of all points, against the law's mean and variance.

    The statistic is a sum over points of 1 - s inside and -s outside, s the selectivity. Its
    variance has a term of single points, one of pairs by the law's pair correlation, and a
    bound of what cells' means lose of the latter.
    """
    sampler = context.sampler
    assert isinstance(sampler, ThinnedProcess)  # a union joins nothing itself
    thinning = sampler.thinnings[-1]
    assert isinstance(thinning, ByZones)
    s, law = thinning.selectivity, sampler.law
    inside = total = 0
    weights, squares, spread, expected = [], 0.0, 0.0, 0.0
    for row in evidence.rows():
        x, y = evidence.coordinates(row)
        inside, total = inside + int(thinning.zones.contains(x, y).sum()), total + x.size
        held, other = _kept(sampler, row)
        weights.append((1 - s) * held - s * other)
        squares += float(((1 - s) ** 2 * held + s**2 * other).sum())
        expected += float(held.sum())
        spread += _spread(thinning, row, s)
    told = f"{inside:,} of {total:,} points lie in zones"
    if math.isnan(law.intensity):
        return Verdict.not_judged(JOIN_TEST, f"no moments of the law are known; {told}")
    if expected * law.intensity < _FEWEST:
        return Verdict.not_judged(JOIN_TEST, f"{expected * law.intensity:.3g} expected; {told}")
    mean, variance = _moments(law, weights, squares, spread)
    error = math.sqrt(variance)
    p_value = float(2 * ndtr(-abs(inside - s * total - mean) / error))
    return Verdict.significance(
        JOIN_TEST,
        p_value,
        observed=inside / max(total, 1),
        expected=s + mean / max(total, 1),
        standard_error=error / max(total, 1),
        alpha=JOIN_ALPHA,
        detail=f"{told}: {inside / max(total, 1):.4%}, {s:.4%} declared over cells "
        f"{tuple(thinning.window)}",
    )


def _kept(sampler: ThinnedProcess, row: TileRow) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Retention of each cell of a row of tiles by what lies inside and outside of zones."""
    held, other = (np.zeros(row.retention.shape) for _ in range(2))
    for tile in row.tiles:
        place = _place(row, tile.cells)
        held[place], other[place] = kept_inside_and_outside(sampler.thinnings, tile.cells)
    return held, other


def _spread(thinning: ByZones, row: TileRow, s: float) -> float:
    """Sum over cells of the variance of the weight's retention inside a cell that zones cut."""
    a, b = map(float, thinning.probabilities)
    covered = (thinning.zones.coverage(tile.cells) for tile in row.tiles)
    return math.fsum(float((c * (1 - c)).sum()) for c in covered) * ((1 - s) * a + s * b) ** 2


def _moments(
    law: Law, weights: list[NDArray[np.float64]], squares: float, spread: float
) -> tuple[float, float]:
    """Mean and variance of a sum of weights over points."""
    mean = law.intensity * math.fsum(float(strip.sum()) for strip in weights)
    pairs = _pairs(law, weights)
    excess = max(float(law.cell_covariance(law.correlation_cells).sum()), 0.0)
    single = law.intensity * squares
    return mean, max(single + pairs, 0.1 * single) + excess * spread


def _pairs(law: Law, weights: list[NDArray[np.float64]]) -> float:
    """The double integral of weights and pair correlation, from those of both signs.

    ``Q(u - v) = 2 Q(u) + 2 Q(v) - Q(u + v)`` for a quadratic form Q.
    """
    up = [np.maximum(strip, 0.0) for strip in weights]
    down = [np.maximum(-strip, 0.0) for strip in weights]
    both = [np.abs(strip) for strip in weights]

    def form(strips: list[NDArray[np.float64]]) -> float:
        moments = region_moments(law, strips)
        return moments.variance - moments.mean

    return 2 * form(up) + 2 * form(down) - form(both)


def _place(row: TileRow, tile: Cells) -> tuple[slice, slice]:
    x, y = tile.ix0 - row.cells.ix0, tile.iy0 - row.cells.iy0
    return slice(y, y + tile.height), slice(x, x + tile.width)


def _of_contract(
    evidence: RegionEvidence, context: LayerContext, contract: ContractTable
) -> RegionCheck:
    """Each cap that is broken, by tile where it is a tile's."""
    failing = tuple(_failing_tiles(evidence, context, contract))
    told = list(_broken_by_region(evidence, context, contract))
    if failing:
        told.append(f"{len(failing)} tiles break it: {failing[0][0]}, {failing[0][1].detail}")
    kept = "all caps hold" if evidence.tiles else "no tile is committed"
    verdict = Verdict.exact(CONTRACT_TEST, len(told), "; ".join(told) or kept)
    if not evidence.tiles:
        verdict = Verdict.not_judged(CONTRACT_TEST, kept)
    return RegionCheck(verdict, len(evidence.tiles), failing[:MAX_FAILING])


def _failing_tiles(
    evidence: RegionEvidence, context: LayerContext, contract: ContractTable
) -> Iterator[tuple[str, Verdict]]:
    km2 = (context.lattice.cell / 1e3) ** 2
    for tile in evidence.tiles:
        problems = []
        density = tile.rows / (tile.cells.area * km2)
        bounds = contract.tile_points_per_km2
        if bounds is not None and not bounds.hold(density):
            problems.append(f"{density:.6g} points per km2, {bounds}")
        envelope = contract.envelope
        if envelope is not None and tile.bbox is not None and not _holds(envelope, tile.bbox):
            problems.append(f"points within {tuple(tile.bbox)}, beyond the envelope {envelope}")
        if problems:
            yield tile.file.tile, Verdict.exact(CONTRACT_TEST, len(problems), "; ".join(problems))


def _holds(outer: tuple[float, ...], inner: tuple[float, ...]) -> bool:
    return (
        outer[0] <= inner[0]
        and outer[1] <= inner[1]
        and inner[2] <= outer[2]
        and inner[3] <= outer[3]
    )


def _broken_by_region(
    evidence: RegionEvidence, context: LayerContext, contract: ContractTable
) -> Iterator[str]:
    cells = sum(tile.cells.area for tile in evidence.tiles)
    points = sum(tile.rows for tile in evidence.tiles)
    bounds = contract.points_per_km2
    if bounds is not None and cells:
        density = points / (cells * (context.lattice.cell / 1e3) ** 2)
        if not bounds.hold(density):
            yield f"{density:.6g} points per km2 of all tiles, {bounds} promised"
    share = contract.share_in_zones
    if share is not None and points:
        zones = _zones(context, share.zones)
        held = sum(
            int(zones.contains(*evidence.coordinates(row)).sum())
            for row in evidence.rows()
            if row.tiles
        )
        if not share.hold(held / points):
            yield f"{held / points:.4%} of the points lie in {share.zones}, {share} promised"


def _zones(context: LayerContext, name: str) -> MaskLike:
    spec, named = context.spec, zone_name(name)
    names: tuple[str, ...] = (name,)
    keys = context.keys
    if named is not None:
        along = along_of(spec.layers[named.layer])
        names = (*pattern_inputs(spec, named.layer), *(() if along is None else (along,)))
        keys = StreamKeys.derived(spec, named.layer)
    versions = stored_versions(spec, context.layout)
    return build_zones(spec, name, open_inputs(spec, names, context.layout, versions), keys)
