"""What workers share: what is loaded once, before the first of them is forked.

Belongs here: names, which cost nothing to know. Not here: loading them (`engine.local`).
"""

from __future__ import annotations

from collections.abc import Collection

# modules, and a function that readies what numba would ready in each worker
PRELOAD = (
    "synthgrid_assets.materialize.work_units",
    "synthgrid_assets.materialize.compiling:load_registries",
)


def preload_of(products: Collection[str] | None) -> tuple[str, ...]:
    """The same with what some products are known to need: all of them for None.

    Examples
    --------
    >>> preload_of(["points"]) == PRELOAD
    True
    """
    needs_zarr = products is None or "density" in products
    return ("zarr", *PRELOAD) if needs_zarr else PRELOAD
