"""What a region's committed points say together: counts, pairs, and what tiles have around them.

Belongs here: which tests there are, and what each is given. Not here: the tests (`statistics`),
gathering (`region_evidence`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from synthgrid_assets.processes.count_models import ON_LINES, BlockModel
from synthgrid_assets.processes.superposition import SuperpositionLaw
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.region_tests.committed_tiles import CommittedTile
from synthgrid_assets.products.region_tests.contract_tests import judge_contract
from synthgrid_assets.products.region_tests.network_tests import pairs_along_the_network
from synthgrid_assets.products.region_tests.region_check import RegionCheck
from synthgrid_assets.products.region_tests.region_evidence import RegionEvidence
from synthgrid_assets.products.tile_tests.replicates import baseline_of, is_stationary
from synthgrid_assets.statistics.multiple_testing import p_values_are_uniform
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
from synthgrid_assets.statistics.region.totals import mean_variance_hold
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.samplers import leaves_of

TESTS = (
    "mean_variance_hold",
    "p_values_are_uniform",
    "tiles_are_correlated_as_declared",
    PAIRS,
    NEIGHBOURS,
    "no_seam",
)

_BLOCKS = "the process has blocks of its own: how alike tiles are depends on where these lie"


def judge_points(
    committed: Sequence[CommittedTile], context: LayerContext
) -> dict[str, RegionCheck]:
    """Every test of `TESTS` on the committed tiles of a layer's points."""
    evidence = RegionEvidence(committed, context)
    verdicts = {
        verdict.test: verdict
        for group in (_of_counts, _of_pairs, _of_windows)  # the last replace the first
        for verdict in group(evidence, context)
    }
    tiles = len(evidence.tiles)
    checks = {test: RegionCheck(verdict, tiles) for test, verdict in verdicts.items()}
    return checks | judge_contract(evidence, context)


def _of_counts(evidence: RegionEvidence, context: LayerContext) -> tuple[Verdict, ...]:
    """Tests on the tiles' numbers of points; nothing is read but the journal."""
    counts, region = evidence.counts, evidence.moments()
    inflation = counts.inflation(region)
    law, side = context.sampler.law, context.spec.world.tile
    kept = region.mean / (law.intensity * evidence.area) if evidence.area else 1.0
    alike = not _has_blocks(context)
    correlated = Verdict.not_judged("tiles_are_correlated_as_declared", _BLOCKS)
    if alike:
        correlated = tiles_are_correlated_as_declared(
            evidence.scores(), tile_correlations(law, side, kept), inflation
        )
    return (
        mean_variance_hold(counts, region, alike=alike),
        p_values_are_uniform(counts.randomised, inflation),
        correlated,
    )


def _has_blocks(context: LayerContext) -> bool:
    """Whether a process has blocks of its own, whose place is drawn once for all tiles."""
    leaves = leaves_of(context.sampler)
    return any(isinstance(leaf.law.count_model, BlockModel) for leaf in leaves)


def _of_pairs(evidence: RegionEvidence, context: LayerContext) -> tuple[Verdict, ...]:
    """Tests on pairs of points, in one pass over the tiles' files."""
    law, side = context.sampler.law, context.spec.world.tile
    if isinstance(law, SuperpositionLaw) and context.sampler.thinnings:
        law = replace(law, coupling="members thinned differently share no pair correlation")
    density = float(evidence.counts.observed.sum()) / max(evidence.area, 1)
    seams = SeamCounter(side, seam_reach(density, side), law.correlation_cells)
    pairs = PairCounter(side, pair_distances(law, side))
    for row in evidence.rows():
        x, y = evidence.coordinates(row)
        seams.add(row.cells, x, y, row.retention)
        pairs.add(row.cells, x, y, row.retention)
    if any(isinstance(leaf.law.count_model, ON_LINES) for leaf in leaves_of(context.sampler)):
        reason = "points lie on lines, which may run along borders of tiles"
        along = pairs_along_the_network(evidence.tiles, context)
        return along, Verdict.not_judged("no_seam", reason)
    if _has_blocks(context):
        reason = "the process has blocks of its own, whose edges may lie on borders of tiles"
        return pairs.verdict(law), Verdict.not_judged("no_seam", reason)
    return pairs.verdict(law), seams.verdict()


def _of_windows(evidence: RegionEvidence, context: LayerContext) -> tuple[Verdict, ...]:
    """Tests on what tiles have within some distances; nothing is read but the journal."""
    if not is_stationary(context):
        reason = "thinned: tiles are not alike, and no closed form of F and G is known"
        return (Verdict.not_judged(NEIGHBOURS, reason),)
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
