"""What each asset holds, and what each of its checks claims.

Belongs here: tables from the registry of products, and the laws of the processes. Not here: how a
check is decided (`synthgrid_assets.statistics`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from from_code.markdown import code, table
from synthgrid_assets import World
from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets.products.product import Product
from synthgrid_assets.products.registry import PRODUCTS
from synthgrid_assets.reports.files import FILES_TEST
from synthgrid_assets.reports.region_checks import claim_of
from synthgrid_assets.world.spec import LayerTable, WorldSpec
from synthgrid_assets.world.validation import check_world

WORLDS = sorted((Path(__file__).parents[2] / "worlds").glob("**/*.toml"))
CURVES = {"empty_space": "F", "nearest_neighbour": "G"}
# what no world that comes along asks for
MORE = """
[trees]
process = "poisson"
points_per_km2 = 40.0
footprint = { shape = "circle", radius = 3.0 }
parcels = { block = 4, area = 900.0 }
tessellation = { neighbours = true }

[houses]
process = "hard_core"
footprint = { shape = "circle", radius = 3.0, overlap = "none" }

[people]
process = "poisson"
points_per_km2 = 1.0
tracks = { start = 2026-01-05T08:00:00Z, duration = 3600, every = 10, range = 1000 }
"""


def assets_and_checks() -> str:
    """A section for each product: columns and checks."""
    return "\n".join(_product(product) for product in PRODUCTS.values())


def laws() -> str:
    """What is known of each process in closed form, from one layer of each."""
    world = World.load(str(next(path for path in WORLDS if path.stem == "menagerie")))
    rows = []
    for name, layer in world.spec.layers.items():
        if layer.process not in REGISTRY:
            continue
        law = world.layer(name).law.in_cells
        model = type(law.count_model)
        curves = [letter for curve, letter in CURVES.items() if hasattr(law, curve)]
        rows.append(
            (
                code(layer.process),
                (type(law).__doc__ or "").partition("\n")[0],
                (model.__doc__ or "").partition("\n\n")[0],
                ", ".join(["K", "g", *curves]),
            )
        )
    return table(("process", "law", "counts in a rectangle", "closed forms"), rows)


def _product(product: Product) -> str:
    layers = [layer for layer in _layers() if product.wanted(layer)]
    plain = min(layers, key=lambda layer: len(product.columns(layer)))
    columns = [
        (code(column.name), column.type, column.description) for column in product.columns(plain)
    ]
    tiles = {name for layer in layers for name in product.tests(layer)}
    checks = [
        (code(name), "each tile" if name in tiles else "the region", claim_of(product, name))
        for name in (*product.claims, FILES_TEST)
    ]
    told = f"## `{product.name}`\n\n{product.description(plain)}\n\n"
    if columns:
        told += table(("column", "type", "what it is"), columns) + "\n"
    return told + table(("check", "of", "claim"), checks)


def _layers() -> Iterator[LayerTable]:
    """All layers of the worlds that come along, and some more."""
    yield from map(LayerTable.model_validate, tomllib.loads(MORE).values())
    for path in WORLDS:
        spec, _ = check_world(path)
        assert isinstance(spec, WorldSpec), path
        yield from spec.layers.values()
