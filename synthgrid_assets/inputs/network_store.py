"""Networks of constraints on disk: made once for a world, read a window at a time.

Belongs here: storing, finding and reading them. Not here: how lines are cut
(`tessellation.constraints`), masks and paths (`vertex_store`).

A network lies in ``<folder>/<code version>.parquet``: a GeoParquet file with a row for each
edge, along a Hilbert curve over the cells, so that a window lies in few row groups.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import StorageError
from synthgrid_assets.inputs.sources.soundness import discard_damaged, is_sound
from synthgrid_assets.inputs.surface_store import VERSION_DIGITS
from synthgrid_assets.lattice.cells import CELL_BITS, CELL_LIMIT, Cells, Lattice
from synthgrid_assets.lattice.hilbert import hilbert_keys
from synthgrid_assets.storage.commit import commit_bytes
from synthgrid_assets.storage.digest import content_digest, digest_hex
from synthgrid_assets.storage.formats.columns import column_values
from synthgrid_assets.storage.formats.geoparquet import FACT_PREFIX, segment_table
from synthgrid_assets.storage.formats.parquet_file import write_options
from synthgrid_assets.tessellation.constraints import ConstraintNetwork
from synthgrid_assets.tessellation.sites import canonical_order

EDGES_PER_GROUP = 8192  # rows of a row group: what the smallest window reads
GROUPS_KEPT = 16  # row groups that a reader keeps: neighbouring windows share them
# of each edge: its constraint, the ids of its nodes, and where they are in quanta
COLUMNS = ("constraint", "tail", "head", "tail_x_q", "tail_y_q", "head_x_q", "head_y_q")


@dataclass(frozen=True)
class NetworkRecord:
    """What is known of a stored network.

    Parameters
    ----------
    data_version : str
        Content digest of its edges, the same for any order of the lines.
    code_version : str
        Hash of what the network was made from.
    lines, nodes, edges : int
        Constraints with an edge, and how many nodes and edges are stored.
    path : Path
        The GeoParquet file.
    """

    data_version: str
    code_version: str
    lines: int
    nodes: int
    edges: int
    path: Path


def store_network(
    folder: Path, network: ConstraintNetwork, lattice: Lattice, code_version: str
) -> NetworkRecord:
    """Store a network, unless it is there already.

    Parameters
    ----------
    folder : Path
        The network's folder (`Layout.network`).
    network : ConstraintNetwork
    lattice : Lattice
        Gives coordinates and CRS.
    code_version : str
        Hash of the file, the lattice and the algorithm that it was made from.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    import pyarrow.parquet as pq

    path = place_of(folder, code_version)
    if path.is_file():
        if is_sound(path, lambda: _verify(path)):
            return network_record(path)
        discard_damaged(path)
    n = network
    facts = {
        "asset": "constraints",
        "code_version": code_version,
        "data_version": network_digest(network),
        "lines": str(np.unique(n.id).size),
        "nodes": str(n.x.size),
        "edges": str(n.id.size),
    }
    ix, iy = (values[n.tail] >> CELL_BITS for values in (n.x, n.y))
    bits = (2 * CELL_LIMIT - 1).bit_length()
    order = np.argsort(hilbert_keys(ix + CELL_LIMIT, iy + CELL_LIMIT, bits), kind="stable")
    tail, head = n.tail[order], n.head[order]
    values = (n.id[order], n.node_id[tail], n.node_id[head], n.x[tail], n.y[tail], n.x[head])
    columns = dict(zip(COLUMNS, (*values, n.y[head]), strict=True))
    x, y = lattice.coordinates(n.x, n.y)
    xy = np.stack((x, y), axis=1)
    table = segment_table(columns, xy[tail], xy[head], crs=lattice.crs, facts=facts)
    buffer = io.BytesIO()
    options = write_options(table.schema) | {"write_page_checksum": True}
    pq.write_table(table, buffer, row_group_size=EDGES_PER_GROUP, **options)
    commit_bytes(path, buffer.getvalue())
    return network_record(path)


def find_network(folder: Path, code_version: str) -> NetworkRecord | None:
    """The record of a stored network, if there is one of this code version."""
    path = place_of(folder, code_version)
    if not path.is_file() or not is_sound(path, lambda: _verify(path)):
        return None
    return network_record(path)


def network_with(folder: Path, data_version: str) -> NetworkRecord | None:
    """The record of a sound stored network, if there is one with exactly these edges."""
    for path in sorted(folder.glob("*.parquet")):
        if is_sound(path, lambda path=path: _verify(path)):  # type: ignore[misc]
            record = network_record(path)
            if record.data_version == data_version:
                return record
    return None


def _verify(path: Path) -> bool:
    return StoredNetwork(path).verify()


def network_record(path: Path) -> NetworkRecord:
    """The record in a network's file.

    Raises
    ------
    StorageError
        If there is no stored network at `path`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata
        facts = {
            name: metadata[f"{FACT_PREFIX}{name}".encode()].decode()
            for name in ("data_version", "code_version", "lines", "nodes", "edges")
        }
    except (OSError, pa.ArrowInvalid, KeyError, TypeError) as error:
        raise StorageError(f"{path} holds no stored network ({error!r}); make it again") from error
    lines, nodes, edges = (int(facts[name]) for name in ("lines", "nodes", "edges"))
    return NetworkRecord(facts["data_version"], facts["code_version"], lines, nodes, edges, path)


class StoredNetwork:
    """A network read from its file, a window at a time, in bounded memory.

    Parameters
    ----------
    path : Path
        A file that `store_network` wrote.

    Raises
    ------
    StorageError
        If there is no stored network at `path`.
    """

    def __init__(self, path: Path) -> None:
        self.record = network_record(path)
        self._group = lru_cache(GROUPS_KEPT)(self._read_group)
        self._window = lru_cache(1)(self._read_window)  # sites and edges ask for the same one

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredNetwork, (self.record.path,)

    def within(self, cells: Cells) -> ConstraintNetwork:
        """The nodes in a rectangle of cells, and the edges between them.

        Exactly `ConstraintNetwork.within` of the network that was stored.

        Raises
        ------
        StorageError
            If a part of the file is damaged.
        """
        return self._window(cells)

    def verify(self) -> bool:
        """Whether the file still holds what was stored; reads all of it.

        The edges have the recorded digest, every page its checksum (also those of the
        geometry), and what windows are found by agrees with the edges.
        """
        groups = [self._read_group(group) for group in range(self._file.num_row_groups)]
        for group, rows in enumerate(groups):
            self._file.read_row_group(group, columns=["geometry"])
            column, row = rows[:, 3] >> CELL_BITS, rows[:, 4] >> CELL_BITS
            ends = [[f(column), f(row)] for f in (np.min, np.max)]
            if ends != [side[group].tolist() for side in self._reach]:
                return False
        network = _network(np.concatenate([np.empty((0, len(COLUMNS)), np.int64), *groups]))
        counts = (np.unique(network.id).size, network.x.size, network.id.size)
        told = (self.record.lines, self.record.nodes, self.record.edges)
        return counts == told and network_digest(network) == self.record.data_version

    def _read_window(self, cells: Cells) -> ConstraintNetwork:
        if self._file.num_row_groups == 1:  # all of it is read in any case
            return self._whole.within(cells)
        # an edge lies in one closed cell, so its tail is at most a cell off each of its ends
        near = cells.grown(1)
        low, high = self._reach
        west, south, east, north = near
        met = (low < (east, north)).all(axis=1) & (high >= (west, south)).all(axis=1)
        rows = [self._group(int(group)) for group in np.flatnonzero(met)]
        table = np.concatenate([np.empty((0, len(COLUMNS)), np.int64), *rows])
        column, row = table[:, 3] >> CELL_BITS, table[:, 4] >> CELL_BITS
        table = table[(column >= west) & (column < east) & (row >= south) & (row < north)]
        return _network(table).within(cells)

    @cached_property
    def _whole(self) -> ConstraintNetwork:
        """The network of a file of one row group."""
        return _network(self._group(0))

    @cached_property
    def _file(self) -> Any:
        import pyarrow.parquet as pq

        return pq.ParquetFile(self.record.path, page_checksum_verification=True)

    @cached_property
    def _reach(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First and last cell, by column and row, of the tails in each row group."""
        metadata = self._file.metadata
        place = [self._file.schema_arrow.get_field_index(name) for name in COLUMNS[3:5]]
        bounds = [
            [metadata.row_group(group).column(k).statistics for k in place]
            for group in range(metadata.num_row_groups)
        ]
        low, high = (
            np.array([[getattr(side, end) for side in sides] for sides in bounds]) >> CELL_BITS
            for end in ("min", "max")
        )
        return low, high

    def _read_group(self, group: int) -> NDArray[np.int64]:
        import pyarrow as pa

        try:
            table = self._file.read_row_group(group, columns=list(COLUMNS))
        except (OSError, pa.ArrowInvalid) as error:
            raise StorageError(
                f"{self.record.path} is damaged ({error}); remove it and make it again"
            ) from error
        return np.column_stack([column_values(table[name]) for name in COLUMNS])


def network_digest(network: ConstraintNetwork) -> str:
    """Content digest of a network's edges, 64 hex digits.

    Examples
    --------
    >>> from synthgrid_assets.tessellation.constraints import planar_network
    >>> both = np.array([[0, 0, 8, 8, 7], [0, 8, 8, 0, 9]])
    >>> network_digest(planar_network(both)) == network_digest(planar_network(both[::-1]))
    True
    """
    n = network
    ends = (n.x[n.tail], n.y[n.tail], n.x[n.head], n.y[n.head])
    ix, iy = ends[0] >> CELL_BITS, ends[1] >> CELL_BITS
    return digest_hex(content_digest("constraints", ix, iy, [*ends, n.id]))


def place_of(folder: Path, code_version: str) -> Path:
    """Where the network of a code version lies."""
    return folder / f"{code_version[:VERSION_DIGITS]}.parquet"


def _network(table: NDArray[np.int64]) -> ConstraintNetwork:
    """The network of some edges, rows of `COLUMNS`."""
    ends = np.concatenate((table[:, [1, 3, 4]], table[:, [2, 5, 6]]))
    nodes = ends[np.unique(ends[:, 0], return_index=True)[1]]
    nodes = nodes[canonical_order(nodes[:, 1], nodes[:, 2])]
    by_id = np.argsort(nodes[:, 0])
    tail, head = np.split(by_id[np.searchsorted(nodes[by_id, 0], ends[:, 0])], 2)
    order = np.lexsort((head, tail))
    return ConstraintNetwork(
        nodes[:, 1], nodes[:, 2], nodes[:, 0], tail[order], head[order], table[order, 0]
    )
