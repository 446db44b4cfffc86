"""Committed rows of assets, read back or exported into one file.

Belongs here: what is read and exported. Not here: formats (`storage.formats.export`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pyarrow as pa

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.reports.digests import whole_records
from synthgrid_assets.reports.named_assets import open_asset, open_network
from synthgrid_assets.storage.formats.export import export_file, export_tiles, losses, writer_of
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.manifest import write_tile_index
from synthgrid_assets.storage.store import open_store
from synthgrid_assets.storage.tile_index import TileIndex, read_tiles
from synthgrid_assets.world.spec import NETWORKS, WorldSpec


class Exported(NamedTuple):
    """What an export holds.

    Attributes
    ----------
    rows : int
    tiles, all_tiles : int
        Committed tiles, which are in the file, and all tiles of the world.
    losses : tuple of str
        What readers of the format lose, for a person.
    """

    rows: int
    tiles: int
    all_tiles: int
    losses: tuple[str, ...] = ()


def export_asset(
    spec: WorldSpec,
    root: Path,
    layer: str,
    name: str,
    target: Path,
    *,
    text_ids: bool = False,
) -> Exported:
    """Merge an asset's committed tiles into one file; the data root is only read.

    Parameters as for `region_digest`: a network is one file already, in another format here.

    Raises
    ------
    SpecError
        If the file's extension is not known, its folder does not exist, or the asset is no
        table.
    StorageError
        If no tile is committed, a file is damaged, or the network has not been made.
    """
    writer_of(target)  # refused before anything is read
    if layer == NETWORKS:
        return Exported(export_file(open_network(spec, root, name).path, target), 1, 1)
    with _committed(spec, root, layer, name) as (index, tiles):
        rows = export_tiles(index, target, text_ids=text_ids)
        lost = losses(index.schema(), target, text_ids=text_ids)
        return Exported(rows, tiles, len(spec.world.tiling), tuple(lost))


def committed_rows(
    spec: WorldSpec, root: Path, layer: str, name: str, bbox: Box | None = None
) -> pa.Table:
    """Rows of an asset's committed tiles, read from their files.

    Parameters
    ----------
    spec : WorldSpec
    root : Path
        Data root; it is only read.
    layer, name : str
    bbox : Box, optional
        In CRS units: points in the half-open box, other geometries that meet it.

    Raises
    ------
    SpecError
        If there is no such asset, or it is no table.
    StorageError
        If no tile is committed, or a file is not what was recorded.
    """
    with _committed(spec, root, layer, name) as (index, _):
        return read_tiles(index, bbox)


@contextmanager
def _committed(
    spec: WorldSpec, root: Path, layer: str, name: str
) -> Iterator[tuple[TileIndex, int]]:
    """An index of an asset's committed tiles, and how many there are.

    It is one of its own: the published one may be of another tiling.
    """
    context, product = open_asset(spec, root, layer, name)
    if product.no_table:
        raise SpecError(product.no_table)
    with TemporaryDirectory() as folder, Journal(context.layout) as journal:
        whole_records(journal, context, name)  # rows of a part are no export
        extent, store = spec.world.tiling.extent, context.layout.store
        index = TileIndex(store, "index.parquet", place=open_store(folder))
        facts = write_tile_index(journal, context.dataset(name), context.lattice, extent, index)
        if facts.tiles == 0:
            raise StorageError(
                f"no tile of {layer}/{name} is committed in {root}; materialise some first"
            )
        yield index, facts.tiles
