"""Content digests of whole assets: one number that is the same on any tiling.

Belongs here: the sum over an asset's committed tiles. Not here: a tile's digest
(`storage.digest`).
"""

from __future__ import annotations

from pathlib import Path

from synthgrid_assets.errors import DamageError, StorageError
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.region_tests.committed_tiles import recorded_tiles
from synthgrid_assets.reports.named_assets import open_asset, open_network
from synthgrid_assets.storage.digest import add_digests, digest_from_hex, digest_hex
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.world.spec import NETWORKS, WorldSpec

MAX_NAMED = 5  # damaged tiles that an error names


def region_digest(spec: WorldSpec, root: Path, layer: str, name: str) -> str:
    """Content digest of all tiles of an asset, or of a network; the same for any tiling.

    Every file is read: the digest is that of what lies there, not of what was recorded.

    Parameters
    ----------
    spec : WorldSpec
    root : Path
    layer, name : str
        A layer and its product, or ``constraints`` and the name of an input.

    Raises
    ------
    DamageError
        If files are not what was recorded of them; names the first of them.
    StorageError
        If tiles are missing; a digest of a part would compare with nothing.
    """
    if layer == NETWORKS:
        return open_network(spec, root, name).data_version
    context, _ = open_asset(spec, root, layer, name)
    tiles = len(spec.world.tiling)
    with Journal(context.layout) as journal:
        records = whole_records(journal, context, name)
    if len(records) < tiles:
        raise StorageError(
            f"{len(records)} of {tiles} tiles of {layer}/{name} are committed in {root}; "
            "materialise the rest first"
        )
    return digest_hex(add_digests(digest_from_hex(record.digest) for record in records))


def whole_records(journal: Journal, context: LayerContext, name: str) -> list[Receipt]:
    """The records of an asset's tiles, whose files have been read and hold what was recorded.

    Raises
    ------
    DamageError
        If files are missing or differ; names the first of them.
    """
    records = list(recorded_tiles(journal, context, name))
    damaged = [problem for _, problem in journal.verify(records)]
    if damaged:
        named = "\n".join(damaged[:MAX_NAMED])
        raise DamageError(
            f"{len(damaged)} of {len(records)} tiles of {context.layer}/{name} are damaged; "
            f"materialise them again\n{named}"
        )
    return records
