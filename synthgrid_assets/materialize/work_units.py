"""Work units of full tiles in a worker: each is tessellated alone, all are merged.

Belongs here: the functions that the engine calls for a tile that may be split, and the form
of a unit on disk. Not here: the order of these tasks (`plan`), the rectangles of the
units (`layer_context`), what becomes of the merged tessellation (`tile`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import StorageError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.materialize.tile import make_tile
from synthgrid_assets.products.layer_context import LayerContext, LayerJob
from synthgrid_assets.products.product import CELLS, NEIGHBOURS, TRIANGLES, Product
from synthgrid_assets.products.registry import products_of
from synthgrid_assets.storage.layout import REALISATION_DIGITS
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.storage.scratch import read_part, save_part
from synthgrid_assets.tessellation.constrained import ConstrainedTriangles, merge_constrained
from synthgrid_assets.tessellation.tile import (
    NEIGHBOUR_ARRAYS,
    RING_ARRAYS,
    TRIANGLE_ARRAYS,
    Tessellation,
    merge_rows,
)

# peak memory a point above the worker's own, when rows, file and tests of a product are
# there at once; units need less, so a tile that fits can be split and merged
BYTES_A_POINT = 2_200
_COLUMNS = tuple(field.name for field in fields(Tessellation))
_TAKEN = {TRIANGLES: TRIANGLE_ARRAYS, CELLS: RING_ARRAYS, NEIGHBOURS: NEIGHBOUR_ARRAYS}
_CONSTRAINED = "constrained."  # before the names of what is kept of constrained triangles


@dataclass(frozen=True)
class Split:
    """What the task of a full tile returns instead of receipts: its work units.

    Parameters
    ----------
    units : tuple of Cells
        They tile the tile.
    """

    units: tuple[Cells, ...]


def make_or_split(
    job: LayerJob, products: tuple[Product, ...], key: str
) -> tuple[Receipt, ...] | Split:
    """Make a tile as `make_tile` does, or name its units if it is expected to be full.

    Whether a tile is full is asked here, in the worker that makes it if it is not.
    """
    if are_split(products):
        context = job.open()
        units = context.units(context.spec.world.tiling.from_key(key).cells)
        if len(units) > 1:
            return Split(tuple(units))
    return make_tile(job, products, key)


def make_unit(job: LayerJob, unit: Cells, folder: str) -> None:
    """Tessellate one unit and leave it in a folder of parts."""
    context = job.open()
    made = context.cache.tessellate_unit(unit)
    columns = {name: np.asarray(getattr(made, name)) for name in _COLUMNS}
    if context.network is not None:
        triangles = context.cache.constrain_unit(unit)
        for field in fields(triangles):
            columns[_CONSTRAINED + field.name] = np.asarray(getattr(triangles, field.name))
    save_part(part_path(Path(folder), unit), columns)


def merge_tile(
    job: LayerJob,
    products: tuple[Product, ...],
    key: str,
    units: tuple[Cells, ...],
    folder: str,
) -> tuple[Receipt, ...]:
    """Make and commit a tile as `make_tile` does, from units that others have tessellated.

    A unit that is not in the folder any more is tessellated again, so the folder decides
    what it costs and never what comes out.
    """
    context = job.open()
    context.cache.forget()  # what an earlier tile left
    taken = {kind for product in products for kind in product.units}
    triangles = None
    if TRIANGLES in taken and context.network is not None:  # cells know no constraints
        triangles = merge_constrained(
            [_constrained_unit(context, unit, Path(folder)) for unit in units]
        )
    rows = [_UnitRows(context, unit, Path(folder)) for unit in units]
    unread = [name for kind, names in _TAKEN.items() if kind not in taken for name in names]
    loaded = [Cells(*row["loaded"].tolist()) for row in rows]
    context.cache.keep(merge_rows(units, loaded, rows, unread), triangles)
    rows.clear()
    try:
        return make_tile(job, products, key)
    finally:
        context.cache.forget()


def are_split(products: Iterable[Product]) -> bool:
    """Whether these products, of one step, are made by units where a tile is full.

    Points are not: they cost a tenth of a tessellation.
    """
    return any(product.units for product in products)


def units_version(context: LayerContext) -> str:
    """What decides the units of a layer: its tessellated products, and a unit's form."""
    split = (product for product in products_of(context.table) if product.units)
    made = [context.dataset(product.name).realisation for product in split]
    return version_hash(["units", *_COLUMNS, *made])[:REALISATION_DIGITS]


def part_path(folder: Path, unit: Cells) -> Path:
    """The file of a unit."""
    return folder / f"{unit.ix0}_{unit.iy0}_{unit.ix1}_{unit.iy1}.npz"


class _UnitRows(Mapping[str, NDArray[Any]]):
    """The arrays of a unit, each read when it is asked for and not kept.

    They are as somebody left them in a folder, or are tessellated here if they are not there.
    """

    def __init__(self, context: LayerContext, unit: Cells, folder: Path) -> None:
        self._path = part_path(folder, unit)
        self._made: dict[str, NDArray[Any]] = {}
        if not self._path.exists():
            made = context.cache.tessellate_unit(unit)
            self._made = {name: np.asarray(getattr(made, name)) for name in _COLUMNS}

    def __getitem__(self, name: str) -> NDArray[Any]:
        if self._made:
            return self._made[name]
        found = read_part(self._path, (name,))
        if found is None:
            raise StorageError(f"the part {self._path} is gone; trying again makes it again")
        return found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_COLUMNS)

    def __len__(self) -> int:
        return len(_COLUMNS)


def _constrained_unit(context: LayerContext, unit: Cells, folder: Path) -> ConstrainedTriangles:
    """The constrained triangles of a unit, as somebody left them or made here."""
    names = {f"{_CONSTRAINED}{field.name}": field.name for field in fields(ConstrainedTriangles)}
    found = read_part(part_path(folder, unit), names)
    if found is None:
        return context.cache.constrain_unit(unit)
    columns: dict[str, Any] = {names[name]: array for name, array in found.items()}
    rectangles = {name: Cells(*columns[name].tolist()) for name in ("cells", "loaded")}
    return ConstrainedTriangles(**{**columns, **rectangles})
