"""What was released of the private data behind a layer, read from its published files.

Belongs here: from a layer's name to its published release. Not here: charging and drawing,
which only the assets of a release do (`privacy.releases`).
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.privacy.releases.answers import Answers
from synthgrid_assets.privacy.releases.published import COUNTS, Published, find_published
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import asset_path, find_input
from synthgrid_assets.world.spec import WorldSpec, release_of


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
    """What follows from the release: sums, rectangles and coarser blocks."""
    return Answers.of_files(published_release(spec, root, layer))
