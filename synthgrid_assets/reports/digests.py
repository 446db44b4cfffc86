"""Content digests of whole assets: one number that is the same on any tiling.

Belongs here: the sum over an asset's committed tiles. Not here: a tile's digest
(`storage.digest`).
"""

from __future__ import annotations

from pathlib import Path

from synthgrid_assets.errors import StorageError
from synthgrid_assets.reports.committed_tiles import committed_tiles, open_network, open_workshop
from synthgrid_assets.storage.digest import add_digests, digest_from_hex, digest_hex
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.spec import NETWORKS, WorldSpec


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
