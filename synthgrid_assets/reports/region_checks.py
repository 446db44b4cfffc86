"""The named checks of a region: every committed tile together, from journal and files.

Belongs here: which checks there are, and their verdicts. Not here: the tests
(`statistics`), gathering (`region_evidence`), Dagster checks (`dagster.asset_checks`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pyarrow as pa

from synthgrid_assets.processes.superposition import SuperpositionLaw
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import Product, tests_of
from synthgrid_assets.products.tile_tests.replicates import baseline_of, is_stationary
from synthgrid_assets.reports.committed_tiles import committed_tiles, recorded_tiles
from synthgrid_assets.reports.files import FILES_TEST, file_faults, files_are_whole
from synthgrid_assets.reports.region_evidence import RegionEvidence
from synthgrid_assets.reports.tile_joins import JOIN_TESTS, join_tiles
from synthgrid_assets.statistics.curves.envelopes import ENVELOPE_ALPHA
from synthgrid_assets.statistics.multiple_testing import p_values_are_uniform
from synthgrid_assets.statistics.region import cell_areas
from synthgrid_assets.statistics.region.cell_areas import CellAreas
from synthgrid_assets.statistics.region.moran import (
    tile_correlations,
    tiles_are_correlated_as_declared,
)
from synthgrid_assets.statistics.region.neighbours import (
    NEIGHBOURS,
    PAIRS,
    counts_are_those_of_replicates,
    neighbours_follow_the_law,
    pairs_are_those_of_replicates,
)
from synthgrid_assets.statistics.region.region_pairs import PairCounter, pair_distances
from synthgrid_assets.statistics.region.seam import SeamCounter, seam_reach
from synthgrid_assets.statistics.region.totals import REGION_ALPHA, mean_variance_hold
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.verdict import TILE_ALPHA, Verdict
from synthgrid_assets.world.spec import LayerTable

REGION_TESTS = {
    "points": (
        "mean_variance_hold",
        "p_values_are_uniform",
        "tiles_are_correlated_as_declared",
        PAIRS,
        NEIGHBOURS,
        "no_seam",
    ),
    "delaunay": (JOIN_TESTS["delaunay"],),
    "voronoi": (JOIN_TESTS["voronoi"], cell_areas.TEST),
    "cell_neighbours": (JOIN_TESTS["cell_neighbours"],),
}
MAX_FAILING = 100  # rows of a check's table of failing tiles


@dataclass(frozen=True)
class RegionCheck:
    """A named check of one product over all its committed tiles.

    Parameters
    ----------
    verdict : Verdict
    tiles : int
        Committed tiles that were looked at.
    failing, suspicious : tuple of (str, Verdict)
        Key and verdict of the tiles that fail, and of those whose rank among replicates is below
        its level: the first `MAX_FAILING` of them.
    """

    verdict: Verdict
    tiles: int
    failing: tuple[tuple[str, Verdict], ...] = ()
    suspicious: tuple[tuple[str, Verdict], ...] = ()

    def with_region(self, verdict: Verdict) -> RegionCheck:
        """The same tiles, judged together as well: the check fails if either does."""
        both = replace(
            verdict,
            passed=verdict.passed and self.verdict.passed,
            detail=f"{verdict.detail}; {self.verdict.detail}",
        )
        return replace(self, verdict=both)


def check_names(product: Product, layer: LayerTable) -> tuple[str, ...]:
    """The named checks of a layer's product: its tiles' tests, and those of regions alone.

    Cells have a law to be held against only where points are homogeneous Poisson.
    """
    names = dict.fromkeys((*tests_of(product, layer), *REGION_TESTS.get(product.name, ())))
    if not _has_poisson_cells(layer):
        names.pop(cell_areas.TEST, None)
    return (*names, FILES_TEST)


def region_checks(context: LayerContext, product: Product) -> dict[str, RegionCheck]:
    """All named checks of a product over its committed tiles.

    A run over a single tile therefore gives the region's verdict, not the tile's.
    """
    with Journal(context.layout) as journal:
        checks = _tile_tests(journal, context, product) | _of_files(journal, context, product)
        if product.name in JOIN_TESTS:
            checks |= _of_joins(journal, context, product.name)
        elif product.name in REGION_TESTS:
            evidence = RegionEvidence(journal, context)
            verdicts = {
                verdict.test: verdict
                for group in (_of_counts, _of_pairs, _of_windows)  # the last replace the first
                for verdict in group(evidence, context)
            }
            for test, verdict in verdicts.items():
                alone = RegionCheck(verdict, len(evidence.receipts))
                checks[test] = checks[test].with_region(verdict) if test in checks else alone
    return checks


def _of_files(journal: Journal, context: LayerContext, product: Product) -> dict[str, RegionCheck]:
    """Whether every recorded file is what was recorded of it, and no other lies there."""
    tiles = sum(1 for _ in recorded_tiles(journal, context, product.name))
    faults = list(file_faults(journal, context, product.name))
    failing = tuple(
        (fault.tile or fault.file, Verdict.exact(FILES_TEST, 1, fault.problem))
        for fault in faults[:MAX_FAILING]
    )
    return {FILES_TEST: RegionCheck(files_are_whole(tiles, faults), tiles, failing)}


def _tile_tests(
    journal: Journal, context: LayerContext, product: Product
) -> dict[str, RegionCheck]:
    tests = tests_of(product, context.table)
    tiles, failed = 0, dict.fromkeys(tests, 0)
    failing: dict[str, list[tuple[str, Verdict]]] = {test: [] for test in tests}
    suspicious: dict[str, list[tuple[str, Verdict]]] = {test: [] for test in tests}
    for receipt in committed_tiles(journal, context, product.name):
        tiles += 1
        for verdict in receipt.verdicts:
            if not verdict.passed:
                failed[verdict.test] += 1
                failing[verdict.test].append((receipt.tile, verdict))
                del failing[verdict.test][MAX_FAILING:]
            elif verdict.suspicious:
                suspicious[verdict.test].append((receipt.tile, verdict))
    return {
        test: RegionCheck(
            Verdict(
                test,
                failed[test] == 0,
                observed=float(failed[test]),
                expected=0.0,
                false_alarm_rate=min(1.0, tiles * TILE_ALPHA),
                detail=_how_many(failed[test], len(suspicious[test]), tiles),
            ),
            tiles,
            tuple(failing[test]),
            tuple(suspicious[test][:MAX_FAILING]),
        )
        for test in tests
    }


def _how_many(failed: int, suspicious: int, tiles: int) -> str:
    detail = f"{failed} of {tiles} committed tiles fail"
    if suspicious:
        healthy = tiles * ENVELOPE_ALPHA
        detail += f", {suspicious} are suspicious (at most {healthy:.3g} expected)"
    return detail


def _of_counts(evidence: RegionEvidence, context: LayerContext) -> tuple[Verdict, ...]:
    """Tests on the tiles' numbers of points; nothing is read but the journal."""
    counts, region = evidence.counts, evidence.moments()
    inflation = counts.inflation(region)
    law, side = context.sampler.law, context.spec.world.tile
    cells = sum(receipt.cells.area for receipt in evidence.receipts)
    kept = region.mean / (law.intensity * cells) if cells else 1.0
    return (
        mean_variance_hold(counts, region),
        p_values_are_uniform(counts.randomised, inflation),
        tiles_are_correlated_as_declared(
            evidence.scores(), tile_correlations(law, side, kept), inflation
        ),
    )


def _of_pairs(evidence: RegionEvidence, context: LayerContext) -> tuple[Verdict, ...]:
    """Tests on pairs of points, in one pass over the tiles' files."""
    law, side = context.sampler.law, context.spec.world.tile
    if isinstance(law, SuperpositionLaw) and context.sampler.thinnings:
        law = replace(law, coupling="members thinned differently share no pair correlation")
    cells = sum(receipt.cells.area for receipt in evidence.receipts)
    density = float(evidence.counts.observed.sum()) / max(cells, 1)
    seams = SeamCounter(side, seam_reach(density, side), law.correlation_cells)
    pairs = PairCounter(side, pair_distances(law, side))
    for row in evidence.rows():
        x, y = evidence.coordinates(row)
        seams.add(row.cells, x, y, row.retention)
        pairs.add(row.cells, x, y, row.retention)
    return pairs.verdict(law), seams.verdict()


def _of_windows(evidence: RegionEvidence, context: LayerContext) -> tuple[Verdict, ...]:
    """Tests on what tiles have within some distances; nothing is read but the journal."""
    if not is_stationary(context):
        reason = "thinned: tiles are not alike, and no closed form of F and G is known"
        return (Verdict.not_judged(NEIGHBOURS, reason, alpha=REGION_ALPHA),)
    law, baseline = context.sampler.law, baseline_of(context.job)
    windows = evidence.windows(baseline)
    neighbours = neighbours_follow_the_law(windows, baseline.distances, law, baseline.replicates)
    if not math.isnan(law.intensity):
        return (neighbours,)
    return (
        neighbours,
        pairs_are_those_of_replicates(windows, baseline.distances, baseline.replicates),
        counts_are_those_of_replicates(windows, baseline.replicates),
    )


def _of_joins(journal: Journal, context: LayerContext, name: str) -> dict[str, RegionCheck]:
    """How triangles, cells or neighbours of tiles join, and the law of the cells' areas."""
    judged = name == "voronoi" and _has_poisson_cells(context.table)
    areas = CellAreas(context.sampler.law.intensity) if judged else None
    square = context.lattice.cell**2

    def measure(receipt: Receipt, rows: pa.Table) -> None:
        if areas is not None:
            area, neighbours = (rows[name].to_numpy() for name in ("area_m2", "n_neighbours"))
            areas.add(receipt.cells.area, area / square, neighbours)

    joined = join_tiles(journal, context, name, measure)
    test = joined.verdict.test
    checks = {test: RegionCheck(joined.verdict, joined.tiles, joined.failing[:MAX_FAILING])}
    if areas is not None:
        checks[cell_areas.TEST] = RegionCheck(areas.verdict(), joined.tiles)
    return checks


def _has_poisson_cells(layer: LayerTable) -> bool:
    """Whether a layer's cells are those of homogeneous Poisson points, whose moments are known."""
    thinned = layer.within or layer.intensity or layer.near
    anchored = layer.tessellation is not None and layer.tessellation.anchors is not None
    return layer.process == "poisson" and not thinned and not anchored
