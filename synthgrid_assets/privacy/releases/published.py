"""What is published of a recorded release: tables of counts, a surface, and who vouches for it.

Belongs here: the folder of files, a function of the record and public terms alone. Not here: the
ledger (`private_ledger`), which release a layer asks for (`world.releases`).

One folder a release, put in place whole: ``release.json`` names every other file with its
SHA-256, the terms, and the ledger's entry; ``counts/*.parquet`` hold the estimates by groups of
64 x 64 blocks; ``surface.zarr`` holds what synthetic points are drawn from.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.errors import StorageError
from synthgrid_assets.lattice.cells import CELL, Cells, Lattice
from synthgrid_assets.lattice.hashing import canonical_json, version_hash
from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.releases.recorded import Recorded
from synthgrid_assets.privacy.releases.witnesses import Witness
from synthgrid_assets.privacy.strategies.strategy import Strategy
from synthgrid_assets.privacy.strategies.terms import Threshold
from synthgrid_assets.records.hash_chain import Anchor
from synthgrid_assets.storage.commit import aside, sync_folders
from synthgrid_assets.storage.formats.geoparquet import polygon_table
from synthgrid_assets.storage.formats.georeference import add_georeference
from synthgrid_assets.storage.formats.parquet_file import serialise

GROUP = 64  # blocks along a side of those that share a file
MANIFEST, COUNTS, SURFACE, ARRAY = "release.json", "counts", "surface.zarr", "expected"
SEAL = "sha256"  # of the manifest's other fields
FORMAT = 1  # of all that is published; part of its version
SEALED, UNSEALED = 2, 1  # formats of the manifest; the first ones had no seal
COLUMNS = (
    ("row", "int64", "Row of the block in the data set's grid, from the south."),
    ("column", "int64", "Column of the block, from the west."),
    ("estimate", "double", "Unbiased estimate of the block's count; may be negative."),
    ("standard_deviation", "double", "Standard deviation of the noise in it."),
    ("low_95", "double", "The true count lies above with a probability of 97.5 % or more."),
    ("high_95", "double", "The true count lies below with a probability of 97.5 % or more."),
    ("expected", "double", "Non-negative and consistent, for synthesis; biased near 0."),
    ("shown", "bool", "Whether the estimate reaches the layer's threshold; only where it has one."),
    ("geometry", "binary (WKB)", "The block in the CRS of the grid."),
)


@dataclass(frozen=True)
class Published:
    """A folder of published files that is complete.

    Parameters
    ----------
    path : Path
    fields : dict
        The manifest.
    """

    path: Path
    fields: dict[str, Any]

    @property
    def data_version(self) -> str:
        """Digest of everything that is published, apart from when it was recorded."""
        return str(self.fields["data_version"])

    @property
    def grid(self) -> Grid:
        """The data set's blocks."""
        return Grid.from_json(self.fields["grid"])

    @property
    def witness(self) -> Witness:
        """What the folder has seen of the ledger."""
        anchor = Anchor(self.fields["sequence"], self.fields["hash"])
        return Witness(anchor, str(self.path / MANIFEST))

    def expected(self) -> NDArray[np.float64]:
        """Expected points per block, south to north, shape of the grid."""
        import zarr

        array = zarr.open_array(self.path / SURFACE / ARRAY, mode="r")
        return np.asarray(array[:], np.float64)[::-1]

    def is_sound(self) -> bool:
        """Whether every file holds what the manifest says."""
        return all(
            hashlib.sha256((self.path / name).read_bytes()).hexdigest() == known
            for name, known in self.fields["files"].items()
        )


def publish(
    recorded: Recorded,
    path: Path,
    support: NDArray[np.bool_] | None = None,
    threshold: Threshold | None = None,
) -> Published:
    """Write the folder of a release, unless another process was faster.

    Parameters
    ----------
    recorded : Recorded
    path : Path
        The folder, which is not there yet.
    support : ndarray of bool, shape of the grid, optional
        Public knowledge: False where no point can lie.
    threshold : Threshold, optional
        Blocks whose estimate does not reach it have none in the table, and expect no points.
    """
    expected = recorded.strategy.nonnegative(recorded.measured, support)
    shown = None if threshold is None else _shown(recorded, threshold)
    if shown is not None:
        expected = np.where(shown, expected, 0.0)

    def write(made: Path) -> None:
        (made / COUNTS).mkdir()
        for name, table in _tables(recorded, expected, shown):
            (made / COUNTS / name).write_bytes(serialise(table))
        _write_surface(made / SURFACE, recorded.grid, expected)

    terms = _terms(recorded)
    if threshold is not None and shown is not None:
        least = recorded.strategy.threshold(threshold.k, threshold.beta)
        terms["threshold"] = {"k": threshold.k, "beta": threshold.beta, "least": least}
        # sums of blocks that are not shown cannot be had of the table
        terms["total"] = float(recorded.strategy.unbiased(recorded.measured).sum())
    return put_in_place(path, write, terms)


def _shown(recorded: Recorded, threshold: Threshold) -> NDArray[np.bool_]:
    strategy = recorded.strategy
    least = strategy.threshold(threshold.k, threshold.beta)
    return np.asarray(strategy.unbiased(recorded.measured) >= least)


def put_in_place(path: Path, write: Callable[[Path], None], terms: Mapping[str, Any]) -> Published:
    """Put a folder in place whole, with its manifest, unless another process was faster.

    Parameters
    ----------
    path : Path
        The folder, which is not there yet.
    write : callable
        Writes all other files into the folder that it is given.
    terms : mapping
        What the manifest says beside the files.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    with aside(path) as folder:
        made = folder / path.name
        made.mkdir()
        write(made)
        files = {
            file.relative_to(made).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(made.rglob("*"))
            if file.is_file()
        }
        version = version_hash(sorted(files.items()))
        fields = {"format": SEALED, "data_version": version, **terms, "files": files}
        fields[SEAL] = _seal(json.loads(canonical_json(fields)))
        (made / MANIFEST).write_text(canonical_json(fields) + "\n")
        sync_folders([*(file for file in made.rglob("*") if file.is_file()), made])
        try:
            made.rename(path)
        except OSError as error:
            if find_published(path) is None:
                raise StorageError(
                    f"cannot write {path}: {error}; check space and rights. The release is "
                    "recorded: running again publishes it at no cost"
                ) from error
    sync_folders([path.parent])
    return Published(path, fields)


def find_published(path: Path) -> Published | None:
    """The published folder at a path, if its manifest is whole; its files may be damaged."""
    try:
        fields = json.loads((path / MANIFEST).read_text())
        whole = fields["format"] == SEALED and fields[SEAL] == _seal(fields)
        return Published(path, fields) if whole or fields["format"] == UNSEALED else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def published_below(root: Path, data_set: str) -> Iterator[Published]:
    """The published releases of a data set below a data root, of whatever world and layer."""
    for manifest in sorted(root.glob(f"*/*/*/*/{MANIFEST}")):
        found = find_published(manifest.parent)
        if found is not None and found.fields.get("data_set") == data_set:
            yield found


def _seal(fields: dict[str, Any]) -> str:
    """Digest of a manifest's fields, as they stand in its text."""
    told = canonical_json({name: value for name, value in fields.items() if name != SEAL})
    return hashlib.sha256(told.encode()).hexdigest()


def _terms(recorded: Recorded) -> dict[str, Any]:
    strategy = recorded.strategy
    return {
        "data_set": recorded.data_set,
        "snapshot": recorded.snapshot,
        "grid": recorded.grid.as_json(),
        "mechanism": "discrete_laplace" if strategy.noise.is_laplace else "discrete_gaussian",
        "scale": strategy.noise.scale,
        **strategy.public,
        "recorded_at": recorded.recorded_at,
        "sequence": recorded.anchor.sequence,
        "hash": recorded.anchor.hash,
    }


def _tables(
    recorded: Recorded, expected: NDArray[np.float64], shown: NDArray[np.bool_] | None
) -> Iterator[tuple[str, pa.Table]]:
    strategy: Strategy = recorded.strategy
    estimate, deviation = strategy.unbiased(recorded.measured), strategy.cell_deviations()
    half = strategy.interval_half_width(deviation)
    arrays: dict[str, NDArray[Any]] = {
        "estimate": estimate,
        "standard_deviation": deviation,
        "low_95": estimate - half,
        "high_95": estimate + half,
        "expected": expected,
    }
    if shown is not None:
        for name in ("estimate", "low_95", "high_95"):
            arrays[name] = np.where(shown, arrays[name], np.nan)  # nulls of the table
        arrays["shown"] = shown
    rows, columns = recorded.grid.shape
    for row0 in range(0, rows, GROUP):
        for column0 in range(0, columns, GROUP):
            part = slice(row0, row0 + GROUP), slice(column0, column0 + GROUP)
            row, column = np.mgrid[: min(GROUP, rows - row0), : min(GROUP, columns - column0)]
            places = {"row": (row + row0).ravel(), "column": (column + column0).ravel()}
            values = {  # NaN is null
                name: pa.array(array[part].ravel(), from_pandas=True)
                for name, array in arrays.items()
            }
            name = f"{row0 // GROUP}_{column0 // GROUP}.parquet"
            yield name, _with_squares(recorded, {**places, **values})


def _with_squares(recorded: Recorded, columns: dict[str, Any]) -> pa.Table:
    grid = recorded.grid
    west = grid.cells.ix0 + columns["column"] * grid.side
    south = grid.cells.iy0 + columns["row"] * grid.side
    east, north = west + grid.side, south + grid.side
    ring_x = np.stack((west, east, east, west, west), axis=1).ravel() * CELL
    ring_y = np.stack((south, south, north, north, south), axis=1).ravel() * CELL
    return polygon_table(
        columns,
        np.column_stack(grid.lattice.coordinates(ring_x, ring_y)),
        np.arange(west.size + 1) * 5,
        crs=grid.lattice.crs,
        facts={
            "asset": "counts_release",
            "data_set": recorded.data_set,
            "snapshot": recorded.snapshot,
            "loss": f"{recorded.strategy.loss.measure} {recorded.strategy.loss.text}",
            "entry": f"{recorded.anchor.sequence} {recorded.anchor.hash}",
        },
    )


def _write_surface(path: Path, grid: Grid, expected: NDArray[np.float64]) -> None:
    import zarr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts of Zarr's specification that are young
        group = zarr.create_group(path)
        group.create_array(
            ARRAY,
            data=np.ascontiguousarray(expected[::-1]),  # rows run from north to south
            chunks=tuple(min(side, 1024) for side in expected.shape),
            dimension_names=("y", "x"),
            attributes={"grid_mapping": "spatial_ref", "units": "1"},
        )
        blocks = Lattice(grid.lattice.crs, grid.lattice.origin, grid.block_metres)
        add_georeference(group, blocks, Cells(*(edge // grid.side for edge in grid.cells)))
