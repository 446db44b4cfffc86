"""What workers share: what is loaded once, before the first of them is forked.

Belongs here: names, which cost nothing to know. Not here: loading them (`engine.local`).
"""

from __future__ import annotations

from collections.abc import Collection

_COMPILING = "synthgrid_assets.materialize.compiling"
# modules, and a function that readies what numba would ready in each worker
PRELOAD = ("synthgrid_assets.materialize.work_units", f"{_COMPILING}:load_registries")
_FOR_ALL = (
    f"{_COMPILING}:load_registries",
    "PIL.ImageFile",
    "synthgrid_assets.storage.local_store",
)
TESSELLATIONS = frozenset({"delaunay", "voronoi", "cell_neighbours"})


def preload_of(products: Collection[str] | None) -> tuple[str, ...]:
    """The same with what some products are known to need: all of them for None.

    Examples
    --------
    >>> preload_of(["points"]) == PRELOAD
    True
    """
    needs_zarr = products is None or "density" in products
    return ("zarr", *PRELOAD) if needs_zarr else PRELOAD


def loaded_meanwhile(products: Collection[str] | None) -> tuple[str, ...]:
    """What the first tile of each worker would load, by names: for the time until then.

    Examples
    --------
    >>> loaded_meanwhile(["density"])[-2:]
    ('numcodecs.blosc', 'synthgrid_assets.materialize.compiling:load_kernels')
    """
    wanted = set(products or ())
    needs = {
        "numcodecs.blosc": not wanted or "density" in wanted,
        "sqlalchemy.dialects.sqlite": not wanted or "counts_release" in wanted,
        f"{_COMPILING}:load_kernels": True,
        f"{_COMPILING}:load_tessellation_kernels": not wanted or bool(wanted & TESSELLATIONS),
    }
    return _FOR_ALL + tuple(name for name, needed in needs.items() if needed)
