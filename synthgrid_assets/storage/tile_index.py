"""The tile index: a GeoParquet table of tiles, and reads that go through it.

Belongs here: the manifest of one dataset, written from the journal, and its readers.
Not here: merged files (`export`).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from synthgrid_assets.errors import StorageError
from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.cells import Cells, Lattice
from synthgrid_assets.lattice.hashing import canonical_json
from synthgrid_assets.storage.digest import add_digests, digest_from_hex, digest_hex
from synthgrid_assets.storage.geoparquet import (
    FACT_PREFIX,
    POINT_WKB,
    SIDES,
    bbox_column,
    geo_metadata,
    open_stream,
)
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Dataset
from synthgrid_assets.storage.local_store import FileFacts, committing, file_facts
from synthgrid_assets.storage.receipt import Receipt

_BATCH = 1024  # tiles held in memory at a time
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
    """

    tiles: int
    rows: int
    digest: str
    file: FileFacts


def write_tile_index(
    journal: Journal,
    dataset: Dataset,
    lattice: Lattice,
    extent: Cells,
    path: Path | None = None,
    more: Mapping[str, str] | None = None,
) -> IndexFacts:
    """Write the manifest of a dataset's tiles within `extent`, atomically, from the journal.

    Parameters
    ----------
    journal : Journal
        Read as a stream: memory does not grow with the number of tiles.
    dataset : Dataset
        Its tiles' geometry is their cells; columns ``xmin`` to ``ymax`` bound their rows'
        geometry, which may pass the tile's border. ``file`` is relative to the data root.
    lattice : Lattice
        Gives coordinates and CRS.
    extent : Cells
        Records of tiles that a world of another extent has clipped differently are left out.
    path : Path, optional
        The file; by default the one where readers look for the asset's index.
    more : mapping of str to str, optional
        Further facts for the file's metadata, as the dataset id.

    Raises
    ------
    StorageError
        If the index cannot be written.
    """
    path = path or journal.layout.tile_index(dataset.world, dataset.layer, dataset.asset)
    tiles = rows = digest = 0
    bounds: Box | None = None
    wanted = (r for r in journal.receipts(dataset) if r.cells == _clipped(r, extent))
    with committing(path) as file, open_stream(file, _SCHEMA) as writer:
        while group := list(itertools.islice(wanted, _BATCH)):
            table, states = _index_table(journal, group, lattice)
            writer.write_table(table)
            made = [r for r, state in zip(group, states, strict=True) if state == "committed"]
            tiles, rows = tiles + len(made), rows + sum(r.rows for r in made)
            digest = add_digests([digest, *(digest_from_hex(r.digest) for r in made)])
            for receipt in group:
                box = lattice.bounds(receipt.cells)
                bounds = box if bounds is None else bounds.union(box)
        facts = {"digest": digest_hex(digest), "rows": str(rows), "tiles": str(tiles)}
        facts |= more or {}
        writer.add_key_value_metadata(_metadata(dataset, lattice, bounds, facts))
    return IndexFacts(tiles, rows, digest_hex(digest), file_facts(path))


def read_tiles(root: Path, index: Path, bbox: Box | None = None) -> pa.Table:
    """Rows of the committed tiles in an index, optionally those in a box.

    Parameters
    ----------
    root : Path
        The data root that the index' files are relative to.
    index : Path
        A file that `write_tile_index` wrote.
    bbox : tuple of four floats, optional
        In CRS units. Points are taken from the half-open box, so that neighbouring boxes
        share no point; of other geometries those that meet the closed box.

    Returns
    -------
    pyarrow.Table
        In canonical order within each tile, tiles south to north and west to east.

    Raises
    ------
    StorageError
        If the index holds no tile, or one of its files is missing or damaged.
    """
    tables = list(iter_tiles(root, index, bbox))
    if not tables:
        return tile_schema(root, index).empty_table()
    return pa.concat_tables(tables).replace_schema_metadata(tile_schema(root, index).metadata)


def iter_tiles(root: Path, index: Path, bbox: Box | None = None) -> Iterator[pa.Table]:
    """The tables of `read_tiles`, one tile at a time."""
    for file in tile_files(index, bbox):
        table = read_tile(root / file, bbox)
        if bbox is not None:
            table = table.filter(pa.array(_meets(table, bbox)))
        yield table


def tile_files(index: Path, bbox: Box | None = None) -> list[str]:
    """Files of the committed tiles whose rows may lie in a box, relative to the data root."""
    committed = pc.field("state") == "committed"
    overlap = committed if bbox is None else committed & _overlaps(bbox, pc.field)
    return [str(file) for file in read_index(index, ["file"], overlap)["file"].to_pylist()]


def read_index(index: Path, columns: list[str], wanted: pc.Expression) -> pa.Table:
    """Some columns of the tiles that fulfil a condition.

    Raises
    ------
    StorageError
        If the index is missing or not a Parquet file.
    """
    try:
        return pq.read_table(index, columns=columns, filters=wanted, partitioning=None)
    except (OSError, pa.ArrowInvalid) as error:
        raise StorageError(f"cannot read tile index {index}: {error}; write it first") from error


def read_tile(path: Path, bbox: Box | None = None) -> pa.Table:
    """One tile; with a box, at least the rows that meet it (bounds are float32).

    Raises
    ------
    StorageError
        If the file is missing or damaged.
    """
    wanted = None
    if bbox is not None:
        wanted = _overlaps(bbox, lambda side: pc.field("bbox", side))
    try:
        return pq.read_table(path, filters=wanted, partitioning=None)
    except (OSError, pa.ArrowInvalid) as error:
        raise StorageError(
            f"cannot read tile {path}: {error}; materialise it again, then write the index"
        ) from error


def tile_schema(root: Path, index: Path) -> pa.Schema:
    """Schema of the tiles in an index; its ``geo`` entry tells no bounds.

    Raises
    ------
    StorageError
        If the index holds no committed tile.
    """
    files = tile_files(index)
    if not files:
        raise StorageError(f"{index} lists no committed tile; materialise some first")
    schema = pq.read_schema(root / files[0])
    metadata = dict(schema.metadata or {})
    if b"geo" in metadata:
        geo = json.loads(metadata[b"geo"])
        geo["columns"]["geometry"].pop("bbox", None)
        metadata[b"geo"] = canonical_json(geo).encode()
    return schema.with_metadata(metadata)


def index_facts(index: Path) -> dict[str, str]:
    """The facts in an index' metadata: its dataset, lattice, rows and digest."""
    metadata = pq.read_schema(index).metadata or {}
    return {
        key.decode().removeprefix(FACT_PREFIX): value.decode()
        for key, value in metadata.items()
        if key.startswith(FACT_PREFIX.encode())
    }


def _clipped(receipt: Receipt, extent: Cells) -> Cells:
    """The cells that the receipt's tile has in a world of `extent`."""
    side = receipt.side
    west, south = receipt.cells.ix0 // side * side, receipt.cells.iy0 // side * side
    return Cells(west, south, west + side, south + side).intersection(extent)


def _index_table(
    journal: Journal, group: list[Receipt], lattice: Lattice
) -> tuple[pa.Table, list[str]]:
    states = ["committed" if journal.has_file(receipt) else "missing" for receipt in group]
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
    arrays = [pa.array(v, field.type) for v, field in zip(columns, _SCHEMA, strict=True)]
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
        "lattice": canonical_json({"origin": lattice.origin, "cell": lattice.cell}),
        "side": str(dataset.side),
    }
    geo = geo_metadata(lattice.crs, "Polygon", bounds)
    named = {f"{FACT_PREFIX}{name}": facts[name] for name in sorted(facts)}
    return {"geo": canonical_json(geo), **named}


def _overlaps(bbox: Box, side: Any) -> pc.Expression:
    xmin, ymin, xmax, ymax = bbox
    return (
        (side("xmin") <= xmax)
        & (side("xmax") >= xmin)
        & (side("ymin") <= ymax)
        & (side("ymax") >= ymin)
    )


def _meets(table: pa.Table, bbox: Box) -> NDArray[np.bool_]:
    """Which rows lie in the box, from their exact geometry."""
    if "geometry" not in table.column_names:
        raise StorageError("these tiles have no geometry; read them without a bbox")
    xmin, ymin, xmax, ymax = bbox
    if is_point_table(table.schema):
        x, y = point_coordinates(table).T
        return np.asarray((x >= xmin) & (x < xmax) & (y >= ymin) & (y < ymax), bool)
    geometry = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    return np.asarray(shapely.intersects(geometry, shapely.box(*bbox)), bool)


def is_point_table(schema: pa.Schema) -> bool:
    """Whether the geometry column holds points only."""
    geo = json.loads((schema.metadata or {}).get(b"geo", b"{}"))
    types = geo.get("columns", {}).get("geometry", {}).get("geometry_types")
    return bool(types == ["Point"])


def point_coordinates(table: pa.Table) -> NDArray[np.float64]:
    """Coordinates of a table of points, shape (n, 2), straight from their WKB."""
    joined = b"".join(table["geometry"].to_pylist())
    return np.asarray(np.frombuffer(joined, POINT_WKB)["xy"], np.float64)
