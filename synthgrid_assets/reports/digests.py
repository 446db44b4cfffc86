"""Content digests of whole assets: one number that is the same on any tiling.

Belongs here: the sum over an asset's committed tiles. Not here: a tile's digest
(`storage.digest`).
"""

from __future__ import annotations

from pathlib import Path

from synthgrid_assets.errors import StorageError
from synthgrid_assets.reports.committed_tiles import committed_tiles, open_layer, open_network
from synthgrid_assets.storage.digest import add_digests, digest_from_hex, digest_hex
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.spec import NETWORKS, WorldSpec


def region_digest(spec: WorldSpec, root: Path, layer: str, name: str) -> str:
    """Content digest of all tiles of an asset, or of a network; the same for any tiling.

    Parameters
    ----------
    spec : WorldSpec
    root : Path
    layer, name : str
        A layer and its product, or ``constraints`` and the name of an input.

    Raises
    ------
    StorageError
        If tiles are missing; a digest of a part would compare with nothing.
    """
    if layer == NETWORKS:
        return open_network(spec, root, name).data_version
    context = open_layer(spec, root, layer, name)
    tiles = len(spec.world.tiling)
    with Journal(context.layout) as journal:
        digests = [digest_from_hex(r.digest) for r in committed_tiles(journal, context, name)]
    if len(digests) < tiles:
        raise StorageError(
            f"{len(digests)} of {tiles} tiles of {layer}/{name} are committed in {root}; "
            "materialise the rest first"
        )
    return digest_hex(add_digests(digests))
