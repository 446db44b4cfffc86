"""The contract of a product, for each that there is and for one that a stranger adds."""

from __future__ import annotations

import pyarrow as pa

from synthgrid_assets.products.registry import PRODUCTS, products_named
from synthgrid_assets.testing.product_tests import ProductTests
from synthgrid_assets_tests.small_world import SMALL
from synthgrid_assets_tests.toys.nearest import NEAREST

WORLD = SMALL.replace("extent = [-8, 0, 40, 48]", "extent = [-8, 0, 8, 16]")


class OfCafes(ProductTests):
    world, layer = WORLD, "cafes"


class TestPoints(OfCafes):
    (product,) = products_named("points")


class TestDelaunay(OfCafes):
    (product,) = products_named("delaunay")


class TestVoronoi(OfCafes):
    (product,) = products_named("voronoi")


class TestCellNeighbours(OfCafes):
    (product,) = products_named("cell_neighbours")

    def damaged(self, rows: pa.Table) -> pa.Table:
        """Without a pair whose counterpart stands in the same tile."""
        pairs = list(zip(rows["focal"].to_pylist(), rows["neighbor"].to_pylist(), strict=True))
        inside = next(i for i, (focal, other) in enumerate(pairs) if (other, focal) in pairs)
        return pa.concat_tables([rows.slice(0, inside), rows.slice(inside + 1)])


class TestDensity(OfCafes):
    (product,) = products_named("density")

    def damaged(self, rows: pa.Table) -> pa.Table:
        counts = rows["count"].to_numpy().copy()
        counts[-1] += 1
        return pa.table({"count": counts})


class TestAProductOfOneFile(OfCafes):
    product = NEAREST


def test_every_product_keeps_the_contract():
    """The private release draws once for all, so that its tests are of its own (`privacy`)."""
    tested = {kind.product.name for kind in OfCafes.__subclasses__()}
    assert tested == {*PRODUCTS, NEAREST.name} - {"counts_release"}
