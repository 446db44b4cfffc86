"""What is committed of a world: digests, exports, and the state of every asset.

Belongs here: answers from journal and files. Not here: Dagster's view of the same tiles.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.inputs.network_store import NetworkRecord
from synthgrid_assets.products.layer_context import Workshop
from synthgrid_assets.products.product import products_of
from synthgrid_assets.reports.committed_tiles import committed_tiles
from synthgrid_assets.storage.digest import add_digests, digest_from_hex, digest_hex
from synthgrid_assets.storage.export import export_file, export_tiles
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.tile_index import write_tile_index
from synthgrid_assets.world.inputs import asset_path, find_input
from synthgrid_assets.world.spec import NETWORKS, WorldSpec, network_of


def open_workshop(spec: WorldSpec, root: Path, layer: str, noun: str) -> Workshop:
    """The workshop of a layer that has the product `noun`.

    Raises
    ------
    SpecError
        If there is no such layer or product; the message names those there are.
    """
    if layer not in spec.layers:
        raise SpecError(f"world {spec.world.name!r} has no layer {layer!r}; {list(spec.layers)}")
    workshop = Workshop.of(spec, layer, root)
    if noun not in workshop.products:
        raise SpecError(f"layer {layer!r} has no asset {noun!r}; {list(workshop.products)}")
    return workshop


def open_network(spec: WorldSpec, root: Path, name: str) -> NetworkRecord:
    """The stored network of a world's input, by the input's name.

    Raises
    ------
    SpecError
        If no layer has the input as constraints.
    StorageError
        If it has not been made from the file as it is now.
    """
    wanted = network_of(name)
    known = [made.rpartition("/")[2] for made in spec.made_inputs if made not in spec.inputs]
    if wanted not in spec.made_inputs:
        raise SpecError(f"no layer has the input {name!r} as constraints; {known}")
    record = find_input(spec, wanted, Layout(root))
    if not isinstance(record, NetworkRecord):
        asset = asset_path(spec.world.name, wanted)
        raise StorageError(f"{asset} is not made in {root}; materialise it first")
    return record


def region_digest(spec: WorldSpec, root: Path, layer: str, noun: str) -> str:
    """Content digest of all tiles of an asset, or of a network; the same for any tiling.

    Parameters
    ----------
    spec : WorldSpec
    root : Path
    layer, noun : str
        A layer and its product, or ``constraints`` and the name of an input.

    Raises
    ------
    StorageError
        If tiles are missing; a digest of a part would compare with nothing.
    """
    if layer == NETWORKS:
        return open_network(spec, root, noun).data_version
    workshop = open_workshop(spec, root, layer, noun)
    tiles = len(spec.world.tiling)
    with Journal(workshop.layout) as journal:
        digests = [digest_from_hex(r.digest) for r in committed_tiles(journal, workshop, noun)]
    if len(digests) < tiles:
        raise StorageError(
            f"{len(digests)} of {tiles} tiles of {layer}/{noun} are committed in {root}; "
            "materialise the rest first"
        )
    return digest_hex(add_digests(digests))


def index_rows(workshop: Workshop) -> list[dict[str, Any]]:
    """Write the tile index of each of a layer's products; one row on each."""
    rows = []
    extent = workshop.spec.world.tiling.extent
    with Journal(workshop.layout) as journal:
        for noun in workshop.products:
            dataset, more = workshop.dataset(noun), workshop.facts(noun)
            facts = write_tile_index(journal, dataset, workshop.lattice, extent, more=more)
            path = journal.layout.tile_index(workshop.spec.world.name, workshop.layer, noun)
            rows.append(
                {
                    "asset": noun,
                    "tiles": facts.tiles,
                    "rows": facts.rows,
                    "digest": facts.digest,
                    "file": str(path),
                }
            )
    return rows


class Exported(NamedTuple):
    """What an export holds.

    Attributes
    ----------
    rows : int
    tiles, all_tiles : int
        Committed tiles, which are in the file, and all tiles of the world.
    """

    rows: int
    tiles: int
    all_tiles: int


def export_asset(spec: WorldSpec, root: Path, layer: str, noun: str, target: Path) -> Exported:
    """Merge an asset's committed tiles into one file; the data root is only read.

    Parameters as for `region_digest`: a network is one file already, in another format here.

    Raises
    ------
    SpecError
        If the file's extension is not known, or the asset is no table.
    StorageError
        If no tile is committed, or the network has not been made.
    """
    if layer == NETWORKS:
        return Exported(export_file(open_network(spec, root, noun).path, target), 1, 1)
    workshop = open_workshop(spec, root, layer, noun)
    if noun == "density":
        raise SpecError("density is a Zarr array: read it with xarray, or export points")
    # an index of its own: the published one may be of another tiling
    with TemporaryDirectory() as folder, Journal(workshop.layout) as journal:
        index, extent = Path(folder) / "index.parquet", spec.world.tiling.extent
        dataset = workshop.dataset(noun)
        facts = write_tile_index(journal, dataset, workshop.lattice, extent, index)
        if facts.tiles == 0:
            raise StorageError(
                f"no tile of {layer}/{noun} is committed in {root}; materialise some first"
            )
        return Exported(export_tiles(root, index, target), facts.tiles, len(spec.world.tiling))


def world_status(spec: WorldSpec, root: Path) -> list[dict[str, Any]]:
    """One row per network and per asset: tiles done, stale and failed, rows and disk.

    A tile is stale when an earlier realisation of it is committed and the current one is
    not; it has failed when a check on it fails.
    """
    networks = [_network_status(spec, root, name) for name in spec.made_inputs if "/" in name]
    return networks + [
        _asset_status(Workshop.of(spec, layer, root), product.noun)
        for layer, table in spec.layers.items()
        for product in products_of(table)
    ]


def _network_status(spec: WorldSpec, root: Path, name: str) -> dict[str, Any]:
    """The row of a network, which is one file: stale if one of an earlier file is there."""
    group, _, named = name.rpartition("/")
    record = find_input(spec, name, Layout(root))
    made = isinstance(record, NetworkRecord)
    earlier = any(Layout(root).network(spec.world.name, named).glob("*.parquet"))
    return {
        "layer": group,
        "asset": named,
        "tiles": 1,
        "done": int(made),
        "stale": int(earlier and not made),
        "failed": 0,
        "rows": record.edges if isinstance(record, NetworkRecord) else 0,
        "MB": round(record.path.stat().st_size / 1e6, 2) if record is not None else 0.0,
    }


def _asset_status(workshop: Workshop, noun: str) -> dict[str, Any]:
    tiles = len(workshop.spec.world.tiling)
    dataset = workshop.dataset(noun)
    done = failed = rows = size = 0
    current: set[str] = set()
    with Journal(workshop.layout) as journal:
        for receipt in committed_tiles(journal, workshop, noun):
            current.add(receipt.tile)
            done += 1
            failed += not receipt.passed
            rows += receipt.rows
            size += receipt.size
        earlier = {
            receipt.tile
            for receipt in journal.of_asset(dataset.world, dataset.layer, dataset.asset)
            if receipt.side == dataset.side and receipt.realisation != dataset.realisation
        }
    return {
        "layer": workshop.layer,
        "asset": noun,
        "tiles": tiles,
        "done": done,
        "stale": len(earlier - current),
        "failed": failed,
        "rows": rows,
        "MB": round(size / 1e6, 2),
    }
