"""What was released of the private data behind a layer, and how near the layer is to them.

Belongs here: from a layer's name to its published release, and to its quality. Not here: the
record that both are charged to and drawn in (`privacy.releases`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.inputs.kinds.input import Place
from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.releases.answers import Answers
from synthgrid_assets.privacy.releases.marginal_files import read_bins
from synthgrid_assets.privacy.releases.published import COUNTS, Published, find_published
from synthgrid_assets.privacy.releases.quality import Quality, quality_of
from synthgrid_assets.privacy.strategies.terms import Loss
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import asset_path, find_input
from synthgrid_assets.world.releases.counts_input import released_input
from synthgrid_assets.world.spec import WorldSpec, marginals_of, release_of


def published_release(spec: WorldSpec, root: Path, layer: str) -> Published:
    """The published release that a layer is drawn from.

    Raises
    ------
    SpecError
        If the layer is not drawn from a release.
    StorageError
        If it is not published in this data root, or damaged.
    """
    if layer not in spec.released_layers:
        raise SpecError(
            f"layer {layer!r} is not drawn from a release; released: {list(spec.released_layers)}"
        )
    record = find_input(spec, release_of(layer), Layout(root))
    found = None if record is None else find_published(record.path)
    if found is None:
        raise StorageError(
            f"{asset_path(spec.world.name, release_of(layer))} is not made in {root}; materialise "
            "it first: what is recorded already costs nothing"
        )
    return found


def released_counts(spec: WorldSpec, root: Path, layer: str) -> pa.Table:
    """The estimates of all blocks, one row for each."""
    path = published_release(spec, root, layer).path / COUNTS
    return pa.concat_tables(pq.read_table(file) for file in sorted(path.glob("*.parquet")))


def released_answers(spec: WorldSpec, root: Path, layer: str) -> Answers:
    """What follows from the release: sums, rectangles and coarser blocks, and its marginals."""
    answers = Answers.of_files(published_release(spec, root, layer))
    name = marginals_of(layer)
    record = find_input(spec, name, Layout(root)) if name in spec.made_inputs else None
    found = None if record is None else find_published(record.path)
    return answers if found is None else replace(answers, marginals=tuple(read_bins(found)))


def released_quality(
    spec: WorldSpec, root: Path, layer: str, loss: Loss | None = None
) -> Quality | None:
    """A released layer beside its private data, by a look that is charged once.

    Parameters
    ----------
    spec : WorldSpec
    root : Path
        Data root, where the layer's release is published.
    layer : str
    loss : Loss, optional
        What the look may cost; by default only a recorded one is used, at no cost.

    Returns
    -------
    Quality or None
        None where no look is recorded and none may be charged.

    Raises
    ------
    BudgetExhaustedError
        If the budget cannot bear the look; nothing is charged.
    """
    published_release(spec, root, layer)  # refused before anything is spent
    place = Place(spec.world.lattice, Cells(*spec.world.extent))
    folder = Layout(root).release(spec.world.name, layer)
    look = released_input(spec, layer, place).look(folder, loss)
    if look is None:
        return None
    context = open_layer(spec, layer, root)
    return quality_of(_drawn_counts(context, look.grid), look)


def _drawn_counts(context: LayerContext, grid: Grid) -> NDArray[np.int64]:
    """Synthetic points of each block, a row of blocks at a time."""
    cells, side = grid.placed_on(context.lattice), grid.side
    rows = []
    for south in range(cells.iy0, cells.iy1, side):
        strip = cells._replace(iy0=south, iy1=south + side)
        column = ((context.sampler.points(strip).x >> CELL_BITS) - cells.ix0) // side
        rows.append(np.bincount(column, minlength=grid.shape[1]))
    return np.array(rows, np.int64)
