"""Contiguity weights are those that libpysal itself finds, and tiles add up to the world's."""

from __future__ import annotations

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from libpysal.weights import Rook

from synthgrid_assets.products.cell_neighbours import CELL_NEIGHBOURS
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.voronoi import VORONOI
from synthgrid_assets_tests.reports.committed_world import commit
from synthgrid_assets_tests.small_world import small_spec
from synthgrid_assets_tests.test_docs import PROJECT, blocks

README = PROJECT / "README.md"


@pytest.fixture
def context(tmp_path):
    return open_layer(small_spec(tmp_path), "cafes", tmp_path / "data")


def adjacency(context, tiles):
    frames = [CELL_NEIGHBOURS.rows(context, tile).table.to_pandas() for tile in tiles]
    return pd.concat(frames, ignore_index=True)


def recipe():
    """The README's lines for libpysal."""
    (found,) = [block for block in blocks(README.read_text(), "python") if "libpysal" in block]
    return found


def read_by(lines, folder, files):
    """What the lines give, run on some files as the README's own `neighbours`."""
    pieces = [pd.read_parquet(file) for file in files]
    path = folder / "some.parquet"
    pd.concat(pieces, ignore_index=True).to_parquet(path)
    names = {"neighbours": path}
    exec(lines, names)
    return pd.concat(pieces, ignore_index=True), names["w"], names["graph"]


@pytest.mark.parametrize("tiles", [slice(14, 15), slice(0, 9), slice(None)])
def test_the_recipe_of_the_readme_reads_a_tile_several_and_a_world(context, tmp_path, tiles):
    """Every site that was read has its neighbours that were read, by both of libpysal's types."""
    chosen = list(context.spec.world.tiling)[tiles]
    commit(context, ("cell_neighbours",), chosen)
    files = [context.layout.root / CELL_NEIGHBOURS.file(context, tile) for tile in chosen]
    listed, w, graph = read_by(recipe(), tmp_path, files)
    known = set(listed["focal"])
    inside = listed[listed["neighbor"].isin(known)]
    assert len(inside) < len(listed)  # some neighbours lie in no tile that was read
    wanted = {
        (focal, neighbor): weight
        for focal, neighbor, weight in inside.itertuples(index=False, name=None)
    }
    assert set(w.neighbors) == known == set(graph.unique_ids)
    assert {
        (focal, neighbor): weight
        for focal in w.neighbors
        for neighbor, weight in zip(w.neighbors[focal], w.weights[focal], strict=True)
    } == wanted
    found = graph.adjacency.to_dict()
    assert {pair: found[pair] for pair in wanted} == wanted
    others = {pair for pair in found if pair not in wanted}
    assert others == {(site, site) for site in known - {focal for focal, _ in wanted}}
    assert w.asymmetry(intrinsic=True) == []


def test_neighbours_with_a_common_border_are_those_of_the_polygons(context):
    """Rook contiguity of the tiles' polygons, found by libpysal from their coordinates."""
    tiles = list(context.spec.world.tiling)[:4]
    cells = [VORONOI.rows(context, tile).table for tile in tiles]
    geometry = shapely.from_wkb([wkb for t in cells for wkb in t["geometry"].to_pylist()])
    sites = [site for t in cells for site in t["site_id"].to_pylist()]
    frame = gpd.GeoDataFrame({"site": sites}, geometry=geometry).set_index("site")
    rook = Rook.from_dataframe(frame, use_index=True, silence_warnings=True)
    listed = adjacency(context, tiles)
    listed = listed[listed["neighbor"].isin(sites) & (listed["weight"] > 0)]
    ours = listed.groupby("focal")["neighbor"].agg(set).to_dict()
    assert {site: set(others) for site, others in rook.neighbors.items() if others} == ours


def test_each_pair_stands_in_both_tiles_with_the_same_length(context):
    listed = adjacency(context, context.spec.world.tiling)
    both = listed.merge(listed, left_on=["focal", "neighbor"], right_on=["neighbor", "focal"])
    inside = listed["neighbor"].isin(set(listed["focal"]))
    assert len(both) == inside.sum()
    assert (both["weight_x"] == both["weight_y"]).all()
