"""What a report tells of a world: checks, curves, counts, releases, a seam.

Belongs here: gathering, from journal and files, at the time of the report. Not here: geometry for
the map (`map_data`), drawings (`drawings`), the document (`page`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import DamageError, StorageError, SynthGridError
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import ORIGIN
from synthgrid_assets.products.region_tests.committed_tiles import committed_tiles
from synthgrid_assets.products.region_tests.region_check import RegionCheck
from synthgrid_assets.products.region_tests.region_evidence import RegionEvidence
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.products.tile_tests.replicates import read_baseline
from synthgrid_assets.reports.reference_quality import ReferenceQuality, reference_quality
from synthgrid_assets.reports.region_checks import claim_of, region_checks
from synthgrid_assets.reports.replicate_curves import ReplicateCurves, compare_with_replicates
from synthgrid_assets.reports.tile_corners import Corner, find_corner, four_tiles_picture
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt, TileFile
from synthgrid_assets.storage.tile_files import TileReader

RELEASE = "counts_release"
_LIKE_TWINS = (
    "Curves of one window are no more extreme than those of its replicates. A rank can call a "
    "world suspicious, never wrong."
)
_TERMS = ("epsilon", "k", "threshold", "standard_deviation", "error_bar_95", "published")


@dataclass(frozen=True)
class NamedCheck:
    """A check of a region under its name.

    Parameters
    ----------
    asset, name, claim : str
    found : RegionCheck
    """

    asset: str
    name: str
    claim: str
    found: RegionCheck


@dataclass(frozen=True)
class Release:
    """What private counts of a layer have been published, from the committed rows alone.

    Parameters
    ----------
    blocks, published : int
        Blocks that were asked for, and those whose noisy count is shown.
    epsilon : float
        Privacy loss of the release.
    k, threshold : int
        The least true count that may show, and the least noisy count that is shown.
    deviation : float
        Standard deviation of the noise.
    error_bar : int
        Half-width of a 95 % interval.
    """

    blocks: int
    published: int
    epsilon: float
    k: int
    threshold: int
    deviation: float
    error_bar: int


@dataclass(frozen=True, eq=False)
class LayerEvidence:
    """The evidence of one layer.

    Parameters
    ----------
    context : LayerContext
    tiles : dict of str to int
        Committed tiles by product.
    rows : dict of str to int
        Their rows.
    checks : list of NamedCheck
    curves : ReplicateCurves or None
        Functions of a window among those of replicates; None where there are none.
    scores, p_values : ndarray of float64
        Of the tiles' counts: (observed - expected) / spread, and randomised p-values.
    observed, expected : float
        Points in all committed tiles, and their mean under the law.
    releases : list of Release
        Those with the same terms together.
    corner : Corner or None
        Where four tiles meet.
    seam : bytes or None
        A PNG of it.
    reference : ReferenceQuality or None
        How far the layer is from its reference points, where it has some.
    """

    context: LayerContext
    tiles: Mapping[str, int]
    rows: Mapping[str, int]
    checks: list[NamedCheck]
    curves: ReplicateCurves | None
    scores: NDArray[np.float64]
    p_values: NDArray[np.float64]
    observed: float
    expected: float
    releases: list[Release]
    corner: Corner | None
    seam: bytes | None
    reference: ReferenceQuality | None


def layer_evidence(context: LayerContext) -> LayerEvidence:
    """Judge everything that is committed of a layer, now.

    Raises
    ------
    StorageError
        If the journal cannot be read. Files that are damaged are told by the checks.
    """
    products = products_of(context.table)
    checks = [
        NamedCheck(product.name, name, claim_of(product, name), found)
        for product in products
        for name, found in region_checks(context, product).items()
    ]
    with Journal(context.layout) as journal:
        receipts = {
            product.name: list(committed_tiles(journal, context, product.name))
            for product in products
        }
        evidence = RegionEvidence.read(journal, context)
        corner = find_corner(journal, context)
    curves = _curves(context) if receipts[ORIGIN] else None
    if curves is not None:
        checks += [
            NamedCheck("quality", verdict.test, _LIKE_TWINS, RegionCheck(verdict, 0))
            for verdict in curves.verdicts
        ]
    counts = evidence.counts
    scores = evidence.scores().ravel()
    return LayerEvidence(
        context,
        {name: len(found) for name, found in receipts.items()},
        {name: sum(one.rows for one in found) for name, found in receipts.items()},
        checks,
        curves,
        scores[np.isfinite(scores)],
        counts.randomised[np.isfinite(counts.randomised)],
        float(counts.observed.sum()),
        float(counts.mean.sum()),
        list(_releases(context, receipts.get(RELEASE, []))),
        corner,
        _seam(context, corner),
        _beside_reference(context),
    )


def besag_l_of_law(context: LayerContext, r: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Besag's L under the layer's law, in cells; None where K is no closed form, or not known.

    Of a thinned layer the law holds for what is thinned only.
    """
    table = context.table
    if table.within or table.intensity or table.near or table.join:
        return None
    try:
        k = context.sampler.law.k_function(r)
    except SynthGridError:  # no closed form
        return None
    known: NDArray[np.float64] = np.sqrt(np.asarray(k, np.float64) / np.pi)
    return known if np.isfinite(known).all() else None


def _beside_reference(context: LayerContext) -> ReferenceQuality | None:
    if context.table.reference is None:
        return None
    return reference_quality(context.spec, context.layout.root, context.layer)


def _curves(context: LayerContext) -> ReplicateCurves | None:
    with contextlib.suppress(StorageError):  # they are made with whole layers only
        return compare_with_replicates(context, read_baseline(context))
    return None


def _seam(context: LayerContext, corner: Corner | None) -> bytes | None:
    if corner is None:
        return None
    with contextlib.suppress(DamageError):  # the checks tell it
        return four_tiles_picture(context, corner)
    return None


def _releases(context: LayerContext, receipts: list[Receipt]) -> Iterator[Release]:
    """The published rows by their terms."""
    reader = TileReader(context.layout.store)
    terms: dict[tuple[float, ...], list[int]] = {}
    for receipt in receipts:
        if receipt.rows == 0:
            continue
        with contextlib.suppress(DamageError):  # the checks tell it
            rows = reader.read(TileFile.of(receipt), list(_TERMS))
            for *named, published in zip(*(rows[name].to_pylist() for name in _TERMS), strict=True):
                found = terms.setdefault(tuple(named), [0, 0])
                found[0] += 1
                found[1] += published
    for (epsilon, k, threshold, deviation, bar), (blocks, shown) in sorted(terms.items()):
        yield Release(blocks, shown, epsilon, int(k), int(threshold), deviation, int(bar))
