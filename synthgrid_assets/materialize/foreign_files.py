"""Files in a dataset's folder that no run has recorded: found, and set aside.

Belongs here: which files are foreign, and where they go. Not here: files that were recorded
and changed (`storage.journal`).

Readers that glob a folder would read such a file as one more tile. It is somebody's, so it
is moved and never removed. A file named as a tile may be one that another run has just
written and not yet recorded, so only an old one is foreign.
"""

from __future__ import annotations

import re
import time
import warnings

from synthgrid_assets.errors import SynthGridWarning
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import PICTURES, Dataset

SET_ASIDE = ".set_aside"  # no world's folder, as names begin with a letter or digit
IN_FLIGHT_SECONDS = 3600.0  # after which a file that nobody recorded is nobody's
_TILE = re.compile(r"(-?\d+)_(-?\d+)\.parquet")
_PICTURE = re.compile(rf"({PICTURES}/)?-?\d+_-?\d+\.png")  # earlier versions: beside the tile
_RASTER = re.compile(
    r"(-?\d+_){3}-?\d+\.zarr/(zarr\.json|(density|x|y|spatial_ref)/(zarr\.json|c(/\d+)*))"
)


def foreign_files(journal: Journal, dataset: Dataset) -> list[str]:
    """Keys of the files in a dataset's folder that are no part of it."""
    folder = journal.layout.folder(dataset) + "/"
    present = list(journal.layout.store.list(folder))
    recorded = journal.files(dataset) if present else set()
    return [
        key
        for key in present
        if key not in recorded
        and not _may_be_ours(journal, dataset.side, key, key.removeprefix(folder))
    ]


def set_aside_foreign(journal: Journal, context: LayerContext, name: str) -> None:
    """Move a product's foreign files out of the way of readers, and tell each."""
    store = journal.layout.store
    for key in foreign_files(journal, context.dataset(name)):
        aside = f"{SET_ASIDE}/{key}"
        store.put(aside, store.get(key))
        store.delete(key)
        warnings.warn(
            f"{store.address(key)} is no file of {context.layer}/{name}; it lies in "
            f"{store.address(aside)} now",
            SynthGridWarning,
            stacklevel=2,
        )


def _may_be_ours(journal: Journal, side: int, key: str, name: str) -> bool:
    """Whether a file that is not recorded may be one that is being made."""
    tile = _TILE.fullmatch(name)
    if tile is not None and any(int(first) % side for first in tile.groups()):
        return False  # no tile of this side begins there
    if _PICTURE.fullmatch(name):
        return True  # of a tile, which is judged itself
    if _RASTER.fullmatch(name) and "/density/c/" not in name:
        return True  # metadata, which are compared with what they must be
    if not (tile or _RASTER.fullmatch(name)):
        return False
    found = journal.layout.store.stat(key)
    return found is None or time.time() - found.modified < IN_FLIGHT_SECONDS
