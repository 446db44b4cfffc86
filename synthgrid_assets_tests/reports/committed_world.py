"""A small world whose tiles are made and committed in this process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.tile import make_tile
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.small_world import SMALL, write_small_world

NAMES = ("points", "delaunay", "voronoi", "cell_neighbours")
WITH_TREES = SMALL.replace(
    "[layers.trees.marks]", "[layers.trees.tessellation]\nneighbours = true\n\n[layers.trees.marks]"
)


def context_of(
    folder: Path,
    layer: str = "cafes",
    changes: Iterable[tuple[str, str]] = (),
    **overrides: object,
) -> LayerContext:
    """A layer of the small world, where trees are tessellated as well; with texts replaced."""
    folder.mkdir(exist_ok=True)
    text = WITH_TREES if layer == "trees" else SMALL
    for found, written in changes:
        assert found in text
        text = text.replace(found, written)
    path = write_small_world(folder, text)
    spec = load_spec(path, {f"world.{key}": value for key, value in overrides.items()})
    return open_layer(spec, layer, folder / "data")


def commit(
    context: LayerContext, names: Sequence[str] = NAMES, tiles: Iterable[Tile] | None = None
) -> LayerContext:
    """Make and commit tiles of some products; all tiles by default."""
    with Journal(context.layout) as journal:
        for tile in context.spec.world.tiling if tiles is None else tiles:
            journal.record(make_tile(context.job, products_named(*names), tile.key))
    return context
