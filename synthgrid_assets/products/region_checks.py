"""The named checks of a region: every committed tile together, from journal and files.

Belongs here: which checks there are, and their verdicts. Not here: the tests
(`statistics`), gathering (`region_evidence`), Dagster checks (`assets.checks`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from synthgrid_assets.processes.superposition import SuperpositionLaw
from synthgrid_assets.products.catalogue import Product, tests_of
from synthgrid_assets.products.committed import committed_tiles
from synthgrid_assets.products.region_evidence import RegionEvidence
from synthgrid_assets.products.workshop import Workshop
from synthgrid_assets.statistics.moran import tile_correlations, tiles_are_correlated_as_declared
from synthgrid_assets.statistics.multiple_testing import p_values_are_uniform
from synthgrid_assets.statistics.region import mean_variance_hold
from synthgrid_assets.statistics.region_pairs import PairCounter, pair_distances
from synthgrid_assets.statistics.seam import SeamCounter, seam_reach
from synthgrid_assets.statistics.verdict import TILE_ALPHA, Verdict
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.spec import LayerTable

REGION_TESTS = {
    "points": (
        "mean_variance_hold",
        "p_values_are_uniform",
        "tiles_are_correlated_as_declared",
        "pairs_follow_the_pcf",
        "no_seam",
    )
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
    failing : tuple of (str, Verdict)
        Key and verdict of the tiles that fail, the first `MAX_FAILING` of them.
    """

    verdict: Verdict
    tiles: int
    failing: tuple[tuple[str, Verdict], ...] = ()


def check_names(product: Product, layer: LayerTable) -> tuple[str, ...]:
    """The named checks of a layer's product: its tiles' tests, and those of regions alone."""
    return (*tests_of(product, layer), *REGION_TESTS.get(product.noun, ()))


def region_checks(workshop: Workshop, product: Product) -> dict[str, RegionCheck]:
    """All named checks of a product over its committed tiles.

    A run over a single tile therefore gives the region's verdict, not the tile's.
    """
    with Journal(workshop.layout) as journal:
        checks = _tile_tests(journal, workshop, product)
        if product.noun in REGION_TESTS:
            evidence = RegionEvidence(journal, workshop)
            verdicts = (*_of_counts(evidence, workshop), *_of_pairs(evidence, workshop))
            checks |= {v.test: RegionCheck(v, len(evidence.receipts)) for v in verdicts}
    return checks


def _tile_tests(journal: Journal, workshop: Workshop, product: Product) -> dict[str, RegionCheck]:
    tests = tests_of(product, workshop.table)
    tiles, failed = 0, dict.fromkeys(tests, 0)
    failing: dict[str, list[tuple[str, Verdict]]] = {test: [] for test in tests}
    for receipt in committed_tiles(journal, workshop, product.noun):
        tiles += 1
        for verdict in receipt.verdicts:
            if not verdict.passed:
                failed[verdict.test] += 1
                failing[verdict.test].append((receipt.tile, verdict))
                del failing[verdict.test][MAX_FAILING:]
    return {
        test: RegionCheck(
            Verdict(
                test,
                failed[test] == 0,
                observed=float(failed[test]),
                expected=0.0,
                false_alarm_rate=min(1.0, tiles * TILE_ALPHA),
                detail=f"{failed[test]} of {tiles} committed tiles fail",
            ),
            tiles,
            tuple(failing[test]),
        )
        for test in tests
    }


def _of_counts(evidence: RegionEvidence, workshop: Workshop) -> tuple[Verdict, ...]:
    """Tests on the tiles' numbers of points; nothing is read but the journal."""
    counts, region = evidence.counts, evidence.moments()
    inflation = counts.inflation(region)
    law, side = workshop.sampler.law, workshop.spec.world.tile
    cells = sum(receipt.cells.area for receipt in evidence.receipts)
    kept = region.mean / (law.intensity * cells) if cells else 1.0
    return (
        mean_variance_hold(counts, region),
        p_values_are_uniform(counts.randomised, inflation),
        tiles_are_correlated_as_declared(
            evidence.scores(), tile_correlations(law, side, kept), inflation
        ),
    )


def _of_pairs(evidence: RegionEvidence, workshop: Workshop) -> tuple[Verdict, ...]:
    """Tests on pairs of points, in one pass over the tiles' files."""
    law, side = workshop.sampler.law, workshop.spec.world.tile
    if isinstance(law, SuperpositionLaw) and workshop.sampler.thinnings:
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
