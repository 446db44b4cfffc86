"""Writing a dataset's manifest, the tile index, from the journal.

Belongs here: its rows, its place and the refusal to lose tiles. Not here: reading it
(`tile_index`).

The stable address of an asset's index belongs to one tiling: the one that covers most of
the current realisation. Another tiling's index stands beside it under the tiles' side.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import shapely

from synthgrid_assets.errors import StorageError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.lattice.tiling import is_tile_of
from synthgrid_assets.storage.digest import add_digests, digest_from_hex, digest_hex
from synthgrid_assets.storage.formats.columns import nullable_array
from synthgrid_assets.storage.formats.geoparquet import (
    FACT_PREFIX,
    SIDES,
    bbox_column,
    geo_metadata,
)
from synthgrid_assets.storage.formats.parquet_file import open_stream
from synthgrid_assets.storage.formats.seal import SEAL, is_unbroken_file, seal_of
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Dataset
from synthgrid_assets.storage.receipt import Receipt, RecordedTile, TileFile
from synthgrid_assets.storage.store import FileFacts
from synthgrid_assets.storage.tile_index import TileIndex, committed

_BATCH = 1024  # tiles held in memory at a time
_SOURCES = "sources"  # the fact that tells whether an index would be written alike again
_TRIES = 8  # of an index, while other runs write it too
_SCHEMA = pa.schema(
    [
        ("tile", pa.string()),
        *((name, pa.int32()) for name in Cells._fields),
        ("rows", pa.int64()),
        ("expected_rows", pa.float64()),
        ("state", pa.string()),
        ("passed", pa.bool_()),
        ("failed_checks", pa.string()),
        ("digest", pa.string()),
        ("file", pa.string()),
        ("size", pa.int64()),
        ("sha256", pa.string()),
        ("picture", pa.string()),
        ("seconds", pa.float64()),
        ("code_version", pa.string()),
        *((side, pa.float64()) for side in SIDES),
        ("geometry", pa.binary()),
        ("bbox", pa.struct([pa.field(side, pa.float32()) for side in SIDES])),
    ]
)


class IndexFacts(NamedTuple):
    """What a tile index covers.

    Attributes
    ----------
    tiles, rows : int
        Committed tiles and their rows.
    digest : str
        Content digest of all of them, 64 hex digits.
    file : FileFacts
        Of the index itself.
    manifest : TileIndex
        To read it.
    """

    tiles: int
    rows: int
    digest: str
    file: FileFacts
    manifest: TileIndex


def write_tile_index(
    journal: Journal,
    dataset: Dataset,
    lattice: Lattice,
    extent: Cells,
    into: TileIndex | None = None,
    more: Mapping[str, str] | None = None,
) -> IndexFacts:
    """Write the manifest of a dataset's tiles within `extent`, atomically, from the journal.

    Parameters
    ----------
    journal : Journal
        Read as a stream; the index' own rows are held, about 500 bytes a tile.
    dataset : Dataset
        Its tiles' geometry is their cells; columns ``xmin`` to ``ymax`` bound their rows'
        geometry, which may pass the tile's border. ``file`` is relative to the data root.
    lattice : Lattice
        Gives coordinates and CRS.
    extent : Cells
        Records of tiles that a world of another extent has clipped differently are left out.
    into : TileIndex, optional
        Where to; by default where readers look for the asset's index, or beside it if that
        covers more of the same realisation in another tiling.
    more : mapping of str to str, optional
        Further facts for the file's metadata, as the dataset id.

    Raises
    ------
    StorageError
        If the index cannot be written, or would lose tiles that it lists now.
    """
    store, more = journal.layout.store, more or {}
    for _ in range(_TRIES):
        # looked at before the journal is read: whoever writes an index later knows no less
        stamps = {key: store.stat(key) for key in _places(journal, dataset)}
        made, data = _made(journal, dataset, lattice, extent, more)
        if into is None and stamps != {key: store.stat(key) for key in stamps}:
            continue  # that one may list tiles which were recorded since the journal was read
        index = into or _place(journal, dataset, extent, made)
        if into is not None:
            (index.place or index.store).put(index.key, data)
        elif not store.put_if_unchanged(
            index.key, data, None if (found := stamps[index.key]) is None else found.stamp
        ):
            continue  # another run has written it meanwhile, and may have known more
        file = FileFacts(hashlib.sha256(data).hexdigest(), len(data))
        return IndexFacts(made.tiles, made.rows, digest_hex(made.digest), file, index)
    raise StorageError(
        f"other runs keep writing the index of {dataset.layer}/{dataset.asset} in {store.url}; "
        "try again when they have ended"
    )


def kept_tile_index(
    journal: Journal, dataset: Dataset, lattice: Lattice, extent: Cells, more: Mapping[str, str]
) -> IndexFacts | None:
    """The manifest at the stable address, if it is whole and says what the journal says now."""
    index = TileIndex(journal.layout.store, _places(journal, dataset)[0])
    facts, sources = _facts(index), _Sources(dataset, lattice, extent, more)
    if _SOURCES not in facts:
        return None
    recorded = map(RecordedTile.read, journal.texts(dataset))
    own = (tile for tile in recorded if is_tile_of(tile.cells, dataset.side, extent))
    for tile, problem in journal.looked_at(own, attrgetter("file")):
        sources.add(tile.text, _state(journal, tile.file, problem))
    if facts[_SOURCES] != sources.digest:
        return None
    try:
        data = index.store.get(index.key)
        if not is_unbroken_file(data):
            return None
    except (OSError, ValueError, pa.ArrowException, StorageError):  # as damaged as can be
        return None
    file_facts = FileFacts(hashlib.sha256(data).hexdigest(), len(data))
    return IndexFacts(int(facts["tiles"]), int(facts["rows"]), facts["digest"], file_facts, index)


class _Sources:
    """All that decides a manifest: records, each with the state of its file, and their frame."""

    def __init__(
        self, dataset: Dataset, lattice: Lattice, extent: Cells, more: Mapping[str, str]
    ) -> None:
        frame = (_SCHEMA.to_string(), dataset, lattice, extent, sorted(more.items()))
        self._digest = hashlib.blake2b(repr(frame).encode(), digest_size=16)

    def add(self, text: str, state: str) -> None:
        self._digest.update(f"{state} {text}\n".encode())

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


def _made(
    journal: Journal,
    dataset: Dataset,
    lattice: Lattice,
    extent: Cells,
    more: Mapping[str, str],
) -> tuple[_Made, bytes]:
    """The manifest as the journal is now."""
    read = ((Receipt.from_json(text), text) for text in journal.texts(dataset))
    wanted = ((r, text) for r, text in read if is_tile_of(r.cells, r.side, extent))
    sources = _Sources(dataset, lattice, extent, more)
    with TemporaryDirectory() as folder:
        file = Path(folder, "index.parquet")
        made = _write(file, journal, wanted, sources, (dataset, lattice, more))
        return made, file.read_bytes()


def _places(journal: Journal, dataset: Dataset) -> tuple[str, str]:
    """Keys of the index at its stable address, and of the one beside it."""
    world, layer, asset = dataset.world, dataset.layer, dataset.asset
    key = journal.layout.tile_index
    return key(world, layer, asset), key(world, layer, f"{asset}-w{dataset.side}")


class _Made(NamedTuple):
    """What was written: numbers of the committed tiles, and the cells of all tiles."""

    tiles: int
    rows: int
    digest: int
    area: int
    listed: set[Cells]


def _write(
    path: Path,
    journal: Journal,
    wanted: Iterator[tuple[Receipt, str]],
    sources: _Sources,
    facts: tuple[Dataset, Lattice, Mapping[str, str]],
) -> _Made:
    dataset, lattice, more = facts
    tiles = rows = digest = area = 0
    listed: set[Cells] = set()
    tables: list[pa.Table] = []
    bounds: Box | None = None
    with open_stream(path, _SCHEMA) as writer:
        while pairs := list(itertools.islice(wanted, _BATCH)):
            group = [receipt for receipt, _ in pairs]
            table, states = _index_table(journal, group, lattice)
            writer.write_table(table)
            tables.append(table)
            made = [r for r, state in zip(group, states, strict=True) if state == "committed"]
            tiles, rows = tiles + len(made), rows + sum(r.rows for r in made)
            area += sum(r.cells.area for r in made)
            digest = add_digests([digest, *(digest_from_hex(r.digest) for r in made)])
            for receipt in group:
                box = lattice.bounds(receipt.cells)
                bounds = box if bounds is None else bounds.union(box)
            listed.update(r.cells for r in group)
            for (_, text), state in zip(pairs, states, strict=True):
                sources.add(text, state)
        told = {"digest": digest_hex(digest), "rows": str(rows), "tiles": str(tiles), **more}
        told[_SOURCES] = sources.digest
        metadata = _metadata(dataset, lattice, bounds, told)
        whole = pa.concat_tables(tables or [_SCHEMA.empty_table()])
        writer.add_key_value_metadata({**metadata, SEAL: seal_of(whole, metadata)})
    return _Made(tiles, rows, digest, area, listed)


def _place(journal: Journal, dataset: Dataset, extent: Cells, made: _Made) -> TileIndex:
    """The stable address, unless an index there knows more than this one."""
    stable, other = (TileIndex(journal.layout.store, key) for key in _places(journal, dataset))
    if _known_elsewhere(stable, dataset, extent) > made.area:
        stable = other
    lost = _listed(stable, dataset, extent) - made.listed
    if lost:
        raise StorageError(
            f"{stable.address} lists {len(lost)} tiles that the journal "
            f"{journal.database.where} does not "
            "know; the index is left as it is. Run `synthgrid storage repair WORLD`, or "
            "materialise these tiles again"
        )
    return stable


def _known_elsewhere(index: TileIndex, dataset: Dataset, extent: Cells) -> int:
    """Cells that an index lists as committed, if it is of the same rows in another tiling."""
    facts = _facts(index)
    if facts.get("realisation") != dataset.realisation or facts["side"] == str(dataset.side):
        return 0
    cells = _cells(index.read(list(Cells._fields), committed()))
    return sum(tile.intersection(extent).area for tile in cells)


def _listed(index: TileIndex, dataset: Dataset, extent: Cells) -> set[Cells]:
    """The tiles of this tiling and extent that an index of the same dataset lists."""
    facts = _facts(index)
    if facts.get("realisation") != dataset.realisation or facts["side"] != str(dataset.side):
        return set()
    cells = _cells(index.read(list(Cells._fields)))
    return {tile for tile in cells if is_tile_of(tile, dataset.side, extent)}


def _facts(index: TileIndex) -> dict[str, str]:
    """The facts of an index; none if there is none that can be read, which is then replaced."""
    try:
        return index.facts()
    except (StorageError, ValueError):  # also of a bit that has flipped in its text
        return {}


def _cells(table: pa.Table) -> list[Cells]:
    return [Cells(*row) for row in zip(*(table[n].to_pylist() for n in Cells._fields), strict=True)]


def _state(journal: Journal, file: TileFile, problem: str) -> str:
    if not problem:
        return "committed"
    return "missing" if journal.layout.store.stat(file.file) is None else "damaged"


def _index_table(
    journal: Journal, group: list[Receipt], lattice: Lattice
) -> tuple[pa.Table, list[str]]:
    looked = journal.looked_at(group, TileFile.of)
    states = [_state(journal, TileFile.of(receipt), problem) for receipt, problem in looked]
    boxes = np.array([lattice.bounds(receipt.cells) for receipt in group])
    columns: list[Any] = [
        [receipt.tile for receipt in group],
        *zip(*(receipt.cells for receipt in group), strict=True),
        [receipt.rows for receipt in group],
        [receipt.expected_rows for receipt in group],
        states,
        [receipt.passed for receipt in group],
        [", ".join(v.test for v in receipt.verdicts if not v.passed) for receipt in group],
        [receipt.digest for receipt in group],
        [receipt.path for receipt in group],
        [receipt.size for receipt in group],
        [receipt.sha256 for receipt in group],
        [receipt.picture for receipt in group],
        [receipt.total_seconds for receipt in group],
        [receipt.code_version for receipt in group],
        *zip(*(receipt.bbox or (None,) * 4 for receipt in group), strict=True),
        shapely.to_wkb(shapely.box(*boxes.T)),
        bbox_column(boxes[:, :2], boxes[:, 2:]),
    ]
    arrays = [
        column if isinstance(column, pa.Array) else nullable_array(column, field.type)
        for column, field in zip(columns, _SCHEMA, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=_SCHEMA), states


def _metadata(
    dataset: Dataset, lattice: Lattice, bounds: Box | None, facts: dict[str, str]
) -> dict[str, str]:
    facts = {
        **facts,
        "world": dataset.world,
        "layer": dataset.layer,
        "asset": dataset.asset,
        "realisation": dataset.realisation,
        "lattice": canonical_json({"origin": lattice.origin, "cell": lattice.cell_in_crs}),
        "side": str(dataset.side),
    }
    geo = geo_metadata(lattice.crs, "Polygon", bounds)
    named = {f"{FACT_PREFIX}{name}": facts[name] for name in sorted(facts)}
    return {"geo": canonical_json(geo), **named}
