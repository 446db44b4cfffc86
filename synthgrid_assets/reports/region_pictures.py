"""All pictures of a layer's region, and the verdicts that some of them show.

Belongs here: what a worker returns of a region. Not here: how it is drawn (`region_maps`,
`tile_corners`), what is drawn (`replicate_curves`, `products.region_tests`).
"""

from __future__ import annotations

from dataclasses import dataclass

from synthgrid_assets.products.layer_context import LayerJob
from synthgrid_assets.products.region_tests.region_evidence import RegionEvidence
from synthgrid_assets.products.tile_tests.replicates import read_baseline
from synthgrid_assets.reports.region_maps import (
    counts_map,
    l_function_picture,
    neighbours_picture,
    p_value_histogram,
    residuals_map,
)
from synthgrid_assets.reports.replicate_curves import compare_with_replicates
from synthgrid_assets.reports.tile_corners import find_corner, kept_four_tiles
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.verdict import Verdict


@dataclass(frozen=True, eq=False)
class RegionPictures:
    """PNGs by title; plain values, so that a worker can draw them.

    Parameters
    ----------
    of_tiles : dict of str to bytes
    of_replicates : dict of str to bytes
        One for each of `verdicts`, in order.
    verdicts : tuple of Verdict
        Of this world among its replicates.
    """

    of_tiles: dict[str, bytes]
    of_replicates: dict[str, bytes]
    verdicts: tuple[Verdict, ...]


def region_pictures(job: LayerJob) -> RegionPictures:
    """The pictures of a layer; those whose data have not changed are not drawn again.

    Raises
    ------
    StorageError
        If the layer has no replicates.
    """
    context = job.open()
    curves = compare_with_replicates(context, read_baseline(context))
    of_replicates = {
        "L among replicates": l_function_picture(curves, context),
        "G, F and J among replicates": neighbours_picture(curves, context),
    }
    with Journal(context.layout) as journal:
        evidence = RegionEvidence.read(journal, context)
        corner = find_corner(journal, context)
    of_tiles = {
        "Points per tile": counts_map(evidence.by_place(evidence.counts.observed), context),
        "Residuals per tile": residuals_map(evidence, context),
        "p-values of tiles": p_value_histogram(evidence, context),
    }
    if corner is not None:
        of_tiles["Where four tiles meet"] = kept_four_tiles(context, corner)
    return RegionPictures(of_tiles, of_replicates, curves.verdicts)
