"""Files in a dataset's folder that no record names: found, and set aside where they are nobody's.

Belongs here: which files are foreign or unrecorded, and where they go. Not here: files that were
recorded and changed (`storage.journal`).

Readers that glob a folder would read such a file as one more tile. One that lies where a tile of
the world belongs was written by a run that was ended before it could record it, or its record
was lost with the journal: making the tile again mends it. Any other is somebody's, so it is
moved and never removed. While a run writes to the folder (it holds a claim), its files that are
not recorded yet are neither.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from synthgrid_assets.errors import StorageError, SynthGridWarning
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import Product
from synthgrid_assets.storage.formats.geoparquet import FACT_PREFIX
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import PICTURES
from synthgrid_assets.storage.scratch import claimed, is_claimed

SET_ASIDE = ".set_aside"  # no world's folder, as names begin with a letter or digit
_TILE = re.compile(r"(-?\d+)_(-?\d+)\.parquet")
_PICTURE = re.compile(rf"({PICTURES}/)?-?\d+_-?\d+\.png")  # earlier versions: beside the tile
_NAMES_FILE = re.compile(r"/(-?\d+_-?\d+\.(parquet|png)|zarr\.json)$")
_RASTER = re.compile(
    r"(-?\d+_){3}-?\d+\.zarr/(zarr\.json|(density|x|y|spatial_ref)/(zarr\.json|c(/\d+)*))"
)


@dataclass(frozen=True)
class Strays:
    """Files that no record names and no live run may be writing.

    Parameters
    ----------
    foreign : list of str
        Keys of files that lie at no tile's place.
    unrecorded : dict of str to str
        Keys of files at the place of a tile of this world, and the tile's key.
    folders : dict of str to str
        Keys of folders where a tile's file or picture belongs, and the tile's key, empty for a
        picture or a tile of another extent; what is in them is not listed.
    """

    foreign: list[str] = field(default_factory=list)
    unrecorded: dict[str, str] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def writing_tiles(context: LayerContext, products: Sequence[Product]) -> Iterator[None]:
    """Tell that tiles of some products are being made, while the block runs."""
    with contextlib.ExitStack() as stack:
        for product in products:
            folder = context.layout.folder(context.dataset(product.name))
            stack.enter_context(claimed(context.layout.root / folder, sweep=False))
        yield


def stray_files(journal: Journal, context: LayerContext, product: Product) -> Strays:
    """The strays of a product's folder, as the world is declared now."""
    dataset = context.dataset(product.name)
    folder = journal.layout.folder(dataset)
    written = is_claimed(journal.layout.root / folder)
    present = list(journal.layout.store.list(f"{folder}/"))
    recorded = journal.files(dataset) if present else set()
    unknown = [key for key in present if key not in recorded]
    folders = [key for key in journal.layout.store.folders(f"{folder}/") if not _is_room(key)]
    written = written or is_claimed(journal.layout.root / folder)
    found = Strays()
    if unknown or folders:
        places = {product.file(context, tile): tile.key for tile in context.spec.world.tiling}
        for key in folders:
            if key in places or _NAMES_FILE.search(key):
                found.folders[key] = places.get(key, "")
        inside = tuple(f"{key}/" for key in found.folders)
        for key in unknown:
            if key.startswith(inside):
                continue
            if key in places and not written:
                found.unrecorded[key] = places[key]
            elif not (key in places or _is_part(key[len(folder) + 1 :], dataset.side, written)):
                found.foreign.append(key)
    return found


def is_of_product(context: LayerContext, product: Product, key: str) -> bool:
    """Whether a file at a tile's place says that it is of this very product and version.

    A raster's chunk says nothing: its place decides.
    """
    if not _TILE.fullmatch(key.rpartition("/")[2]):
        return True
    try:
        with (
            context.layout.store.open(key) as file,
            pq.ParquetFile(file, page_checksum_verification=True) as table,
        ):
            said = table.metadata.metadata or {}
    except (OSError, ValueError, pa.ArrowException, StorageError):
        return False
    facts = context.facts(product.name).items()
    return all(said.get(f"{FACT_PREFIX}{name}".encode()) == fact.encode() for name, fact in facts)


def set_aside_foreign(journal: Journal, context: LayerContext, product: Product) -> None:
    """Move a product's foreign files and folders out of the way of readers, and tell each."""
    strays = stray_files(journal, context, product)
    for key in [*strays.folders, *strays.foreign]:
        set_aside(context, product.name, key)


def set_aside(context: LayerContext, name: str, key: str) -> None:
    """Move what lies at a key and is no file of an asset to where nobody reads it; tell it."""
    store = context.layout.store
    aside = first = f"{SET_ASIDE}/{key}"
    number = 0
    while any(store.list(aside)) or any(store.folders(aside)):  # of an earlier time: it stays
        number += 1
        aside = f"{first}.{number}"
    store.move(key, aside)
    warnings.warn(
        f"{store.address(key)} is no file of {context.layer}/{name}; it lies in "
        f"{store.address(aside)} now",
        SynthGridWarning,
        stacklevel=3,
    )


def _is_room(key: str) -> bool:
    """Whether a folder's name is one that folders of tiles have."""
    name = key.rpartition("/")[2]
    return name == PICTURES or name.endswith(".zarr")


def _is_part(name: str, side: int, written: bool) -> bool:
    """Whether a file at no tile's place belongs to some tile or raster all the same.

    While a run writes to the folder, its world may have another extent.
    """
    if _PICTURE.fullmatch(name):
        return True  # of a tile, which is judged itself
    if tile := _TILE.fullmatch(name):
        return written and not any(int(first) % side for first in tile.groups())
    if "/density/c/" in name:
        return written and _RASTER.fullmatch(name) is not None
    return _RASTER.fullmatch(name) is not None  # metadata: compared with what they must be
