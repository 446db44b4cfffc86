"""Which products there are: one line each.

Belongs here: the list, in an order in which each comes after those it is made from. Not here:
any product; a new one is its own module and one line here, or one call of `register`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from synthgrid_assets.errors import SpecError
from synthgrid_assets.products.cell_neighbours import CELL_NEIGHBOURS
from synthgrid_assets.products.counts_release import COUNTS_RELEASE
from synthgrid_assets.products.delaunay import DELAUNAY
from synthgrid_assets.products.density import DENSITY
from synthgrid_assets.products.footprints.footprints import FOOTPRINTS
from synthgrid_assets.products.parcels.parcels import PARCELS
from synthgrid_assets.products.points import POINTS
from synthgrid_assets.products.product import Product
from synthgrid_assets.products.tracks.tracks import TRACKS
from synthgrid_assets.products.voronoi import VORONOI
from synthgrid_assets.world.spec import LayerTable

_PRODUCTS: dict[str, Product] = {
    product.name: product
    for product in (
        POINTS,
        DENSITY,
        DELAUNAY,
        VORONOI,
        CELL_NEIGHBOURS,
        FOOTPRINTS,
        PARCELS,
        TRACKS,
        COUNTS_RELEASE,
    )
}
PRODUCTS: Mapping[str, Product] = MappingProxyType(_PRODUCTS)


def products_of(layer: LayerTable) -> tuple[Product, ...]:
    """The products that a layer asks for, upstream first."""
    return tuple(product for product in PRODUCTS.values() if product.wanted(layer))


def products_named(*names: str) -> tuple[Product, ...]:
    """Products by their names.

    Raises
    ------
    SpecError
        If there is no such product; the message names those there are.

    Examples
    --------
    >>> products_named("points", "voronoi")
    (<product points>, <product voronoi>)
    """
    unknown = [name for name in names if name not in PRODUCTS]
    if unknown:
        raise SpecError(f"no product {unknown[0]!r}; known: {', '.join(PRODUCTS)}")
    return tuple(PRODUCTS[name] for name in names)


def register(product: Product) -> None:
    """Give a product to every layer that wants it, in this process.

    Workers need no registry: a task names the products that it makes.

    Raises
    ------
    SpecError
        If the name is taken.
    """
    if product.name in _PRODUCTS:
        raise SpecError(f"product {product.name!r} is registered already")
    _PRODUCTS[product.name] = product


def unregister(product: Product) -> None:
    """Forget a product that `register` has made known."""
    del _PRODUCTS[product.name]
