"""Contiguity weights are those that libpysal itself finds, and tiles add up to the world's."""

from __future__ import annotations

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from libpysal.weights import Rook, W

from synthgrid_assets.products.cell_neighbours import CELL_NEIGHBOURS
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.voronoi import VORONOI
from synthgrid_assets_tests.small_world import small_spec


@pytest.fixture
def context(tmp_path):
    return open_layer(small_spec(tmp_path), "cafes", tmp_path / "data")


def adjacency(context, tiles):
    frames = [CELL_NEIGHBOURS.rows(context, tile).table.to_pandas() for tile in tiles]
    return pd.concat(frames, ignore_index=True)


def test_the_list_is_what_libpysal_reads(context):
    listed = adjacency(context, list(context.spec.world.tiling)[:9])
    known = set(listed["focal"])
    inner = listed[listed["neighbor"].isin(known)]
    weights = W.from_adjlist(inner)
    assert set(weights.neighbors) <= known
    assert weights.asymmetry(intrinsic=True) == []


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
