"""The catalogue of products: what assets a layer has, and what each one's tiles hold.

Belongs here: names, columns, tests and dependencies of products, as data. Not here: how
a product is computed (one module each) and how it appears in Dagster (`dagster`).
"""

from __future__ import annotations

from dataclasses import dataclass

from synthgrid_assets.world.layer_graph import union_of
from synthgrid_assets.world.spec import LayerTable


@dataclass(frozen=True)
class Column:
    """A column of a product's table.

    Parameters
    ----------
    name, type, description : str
        The type as Parquet readers show it.
    sources : tuple of str
        Columns of the layer's points that it is derived from.
    """

    name: str
    type: str
    description: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Product:
    """One asset of a layer.

    Parameters
    ----------
    name : str
        Last part of the asset key.
    step : str
        Products of one step are computed together.
    description : str
    kinds : tuple of str
        Dagster kind tags.
    columns : tuple of Column
        Empty for products that are not tables.
    tests : tuple of str
        What `tile_is_sound` tests on each tile.
    """

    name: str
    step: str
    description: str
    kinds: tuple[str, ...]
    columns: tuple[Column, ...]
    tests: tuple[str, ...]


_GEOMETRY = "binary (WKB)"
_XY = ("x_q", "y_q")

POINTS = Product(
    "points",
    "points",
    "The layer's points, drawn from its process, thinned and marked. Each tile is a GeoParquet "
    "file; any tiling gives the same points.",
    ("python", "numpy", "parquet"),
    (
        Column("id", "int64", "Cell and place in it; the same on any tiling."),
        Column("x_q", "int64", "Lattice x in quanta (cell / 2**22)."),
        Column("y_q", "int64", "Lattice y in quanta."),
        Column("geometry", _GEOMETRY, "Point in the world's CRS."),
    ),
    (
        "points_lie_in_their_tile",
        "points_are_canonical",
        "points_do_not_depend_on_the_tile",
        "counts_match_the_process",
        "quadrats_follow_the_surface",
        "pairs_follow_the_pcf",
        "neighbours_follow_the_law",
        "marks_follow_their_law",
    ),
)
DELAUNAY = Product(
    "delaunay",
    "tessellation",
    "Delaunay triangles whose smallest vertex lies in the tile. The union of all tiles is the "
    "Delaunay triangulation of all points, triangle for triangle.",
    ("python", "numpy", "parquet"),
    (
        Column("a", "int64", "Id of the smallest vertex, which owns the triangle.", ("id",)),
        Column("b", "int64", "Id of the next vertex, counter-clockwise.", ("id",)),
        Column("c", "int64", "Id of the last vertex.", ("id",)),
        Column("geometry", _GEOMETRY, "Triangle in the world's CRS.", _XY),
    ),
    ("triangles_are_delaunay",),
)
CONSTRAINTS_TEST = "constraints_are_edges"
CONSTRAINT_COLUMNS = tuple(
    Column(
        f"constraint_{edge}",
        "int64",
        f"Constraint along the edge {edge[0]}-{edge[1]}: number of the feature in the file, from "
        "0; null where there is none.",
    )
    for edge in ("ab", "bc", "ca")
)
VORONOI = Product(
    "voronoi",
    "tessellation",
    "Voronoi cells of the sites in the tile, whole also where they cross its border. "
    "Neighbouring tiles share their vertices bit for bit.",
    ("python", "numpy", "parquet"),
    (
        Column("site_id", "int64", "Id of the point that the cell belongs to.", ("id",)),
        Column("merged_ids", "list<int64>", "Further points at the same place.", ("id",)),
        Column("area_m2", "double", "Area of the cell in square metres.", _XY),
        Column("n_neighbours", "int32", "Number of Delaunay neighbours.", _XY),
        Column("anchor", "bool", "Whether the site is an anchor, not a point.", _XY),
        Column("valid", "bool", "Whether the ring is simple after rounding.", _XY),
        Column("geometry", _GEOMETRY, "Cell in the world's CRS.", _XY),
    ),
    ("cells_cover_the_tile",),
)
NEIGHBOURS = Product(
    "cell_neighbours",
    "tessellation",
    "Which Voronoi cells share a border, and how long it is: contiguity weights, as "
    "`libpysal.weights.W.from_adjlist` reads them. The focal site lies in the tile.",
    ("python", "numpy", "parquet"),
    (
        Column("focal", "int64", "Id of the site that the row belongs to.", ("id",)),
        Column("neighbor", "int64", "Id of its Delaunay neighbour.", ("id",)),
        Column("weight", "double", "Length of the common border in metres.", _XY),
    ),
    ("neighbours_are_mutual",),
)
DENSITY = Product(
    "density",
    "density",
    "Points per atom cell: one Zarr array per layer, one chunk per tile, -1 where no tile has "
    "been made.",
    ("python", "numpy", "zarr"),
    (),
    ("counts_match_the_points",),
)
RELEASE = Product(
    "counts_release",
    "release",
    "Differentially private counts per block of 64 x 64 cells: discrete Laplace noise, small "
    "counts suppressed by their noisy value, drawn once and recorded.",
    ("python", "opendp", "parquet"),
    (
        Column("block", "string", "Name of the block; the same on any tiling."),
        Column("ix0", "int64", "First cell column of the block."),
        Column("iy0", "int64", "First cell row of the block."),
        Column("ix1", "int64", "Cell column after the block's last."),
        Column("iy1", "int64", "Cell row after the block's last."),
        Column("k", "int64", "Anonymity threshold on the true count."),
        Column("threshold", "int64", "Least noisy count that is published."),
        Column("epsilon", "double", "Privacy loss of the release."),
        Column("noisy_count", "int64", "Noisy count, null where suppressed.", ("id",)),
        Column("published", "bool", "Whether the noisy count is shown.", ("id",)),
        Column("standard_deviation", "double", "Standard deviation of the noise."),
        Column("error_bar_95", "int64", "Half-width of a 95 % interval."),
        Column("geometry", _GEOMETRY, "The block in the world's CRS."),
    ),
    ("release_is_recorded", "suppressed_below_k"),
)
PRODUCTS = {p.name: p for p in (POINTS, DELAUNAY, VORONOI, NEIGHBOURS, DENSITY, RELEASE)}


def products_of(layer: LayerTable) -> tuple[Product, ...]:
    """The products that a layer asks for, upstream first."""
    wanted = [POINTS, DENSITY]
    if layer.tessellation is not None:
        wanted += [DELAUNAY] if layer.tessellation.delaunay else []
        wanted += [VORONOI] if layer.tessellation.voronoi else []
        wanted += [NEIGHBOURS] if layer.tessellation.neighbours else []
    if layer.release is not None:
        wanted.append(RELEASE)
    return tuple(wanted)


def columns_of(product: Product, layer: LayerTable) -> tuple[Column, ...]:
    """The product's columns, with the layer's marks and constraints in place."""
    if _is_constrained(product, layer):
        return (*product.columns[:3], *CONSTRAINT_COLUMNS, *product.columns[3:])
    if product is not POINTS:
        return product.columns
    marks = tuple(
        Column(
            name,
            mark.column_type,
            f"Mark {name}, drawn at the point's birth.",
        )
        for name, mark in layer.marks.items()
    )
    union = union_of(layer)
    if union is not None and union.source:
        labels = "Layer that the point comes from."
        marks = (Column("source", "dictionary<string>", labels), *marks)
    return (*product.columns[:3], *marks, *product.columns[3:])


def description_of(product: Product, layer: LayerTable) -> str:
    """The product's description, with the layer's constraints."""
    if not _is_constrained(product, layer):
        return product.description
    return (
        "Constrained Delaunay triangles whose smallest vertex lies in the tile: none crosses a "
        f"constraint of `{layer.network}`, whose nodes are vertices with bit 62 set in their ids. "
        "The union of all tiles is the constrained triangulation of everything."
    )


def tests_of(product: Product, layer: LayerTable) -> tuple[str, ...]:
    """What is tested on each tile of the product, with the layer's constraints."""
    own = (CONSTRAINTS_TEST,) if _is_constrained(product, layer) else ()
    return (*product.tests, *own)


def _is_constrained(product: Product, layer: LayerTable) -> bool:
    return product is DELAUNAY and layer.network is not None
