"""Networks as inputs: made once, missed where absent, and stale for triangles alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from synthgrid_assets.errors import StorageError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named, products_of
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.reports.status import world_status
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input, missing_inputs, require_made, stored_versions
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets.world.versions import asset_version, read_inputs
from synthgrid_assets_tests.street_world import (
    STREETS,
    street_spec,
    town,
    write_lines,
    write_street_world,
)

NETWORK = "constraints/roads"
EXTENT = Cells(0, 0, 32, 32)


@pytest.fixture
def own_spec(tmp_path):
    return street_spec(tmp_path)


def test_tiles_are_not_made_before_their_streets(own_spec, tmp_path):
    job = open_layer(own_spec, "trees", tmp_path).job
    assert missing_inputs(own_spec, Layout(tmp_path), [NETWORK]) == [NETWORK]
    with pytest.raises(StorageError, match="materialise town/constraints/roads first"):
        require_made(dict(job.inputs), "town")
    assert read_inputs(own_spec, "trees", products_named("points", "voronoi")) == ()
    assert read_inputs(own_spec, "trees", products_named("delaunay")) == (NETWORK,)
    with pytest.raises(StorageError, match="town/constraints/roads is not made"):
        region_digest(own_spec, tmp_path, "constraints", "roads")


def test_a_network_that_was_removed_is_missed_not_made_anew(own_spec, tmp_path):
    made = make_input(own_spec, NETWORK, Layout(tmp_path))
    context = open_layer(own_spec, "trees", tmp_path)
    made.path.unlink()
    with pytest.raises(StorageError, match="is gone or damaged; materialise it again"):
        context.cache.triangles(Cells(0, 0, 4, 4))


def test_an_input_can_be_a_network_and_a_place_to_stay_near(tmp_path):
    near = (
        "points_per_km2 = 300.0\n\n[layers.plain",
        'points_per_km2 = 300.0\nnear = { input = "roads", within = 90 }\n\n[layers.plain',
    )
    lines_only = [shape for shape in town() if shape.geom_type != "Polygon"]
    text = STREETS.replace(*near).replace(
        "[layers.plain.tessellation]\n", "[layers.plain.tessellation]\nanchors = 8\n"
    )
    spec = load_spec(write_street_world(tmp_path, text, lines_only))
    assert spec.made_inputs == ("roads", NETWORK)
    for name in spec.made_inputs:
        make_input(spec, name, Layout(tmp_path))
    assert not missing_inputs(spec, Layout(tmp_path), spec.made_inputs)
    found = open_layer(spec, "plain", tmp_path)
    assert found.sampler.points(EXTENT).x.size > 50


def test_a_changed_file_makes_the_triangles_of_its_layers_stale_and_nothing_else(tmp_path):
    spec = street_spec(tmp_path)
    make_input(spec, NETWORK, Layout(tmp_path))
    names = ("points", "density", "delaunay", "voronoi", "cell_neighbours")
    layers = ("trees", "cafes", "plain")

    def datasets():
        contexts = {layer: open_layer(spec, layer, tmp_path) for layer in layers}
        return {
            (layer, name): context.dataset(name)
            for layer, context in contexts.items()
            for name in names
            if name in context.assets
        }

    before, versions = datasets(), stored_versions(spec, Layout(tmp_path))
    original = (tmp_path / "roads.gpkg").read_bytes()
    write_lines(tmp_path / "roads.gpkg", town()[:-1])
    assert missing_inputs(spec, Layout(tmp_path), [NETWORK]) == [NETWORK]
    assert world_status(spec, tmp_path)[0] == {
        "layer": "constraints",
        "asset": "roads",
        "tiles": 1,
        "done": 0,
        "stale": 1,
        "failed": 0,
        "damaged": 0,
        "unrecorded": 0,
        "rows": 0,
        "MB": 0.0,
    }
    make_input(spec, NETWORK, Layout(tmp_path))
    after = datasets()
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {("trees", "delaunay"), ("cafes", "delaunay")}
    assert stored_versions(spec, Layout(tmp_path)) != versions
    (tmp_path / "roads.gpkg").write_bytes(original)  # as it was: found again, not made again
    assert stored_versions(spec, Layout(tmp_path)) == versions
    assert datasets() == before


def test_the_product_version_names_the_constraints(tmp_path):
    spec = street_spec(tmp_path)
    products = {product.name: product for product in products_of(spec.layers["trees"])}
    other = street_spec(
        tmp_path,
        ("[inputs.roads]", '[inputs.lanes]\nvector = "roads.gpkg"\n\n[inputs.roads]'),
        ('neighbours = true\nconstraints = "roads"', 'neighbours = true\nconstraints = "lanes"'),
    )
    changed = {
        name
        for name, product in products.items()
        if asset_version(spec, "trees", product) != asset_version(other, "trees", product)
    }
    assert changed == {"delaunay"}


def test_streets_in_another_crs_are_reprojected(own_spec, tmp_path):
    """Through degrees and back nodes move by less than a quantum before they are rounded."""
    wanted = open_layer(own_spec, "trees", tmp_path).network(EXTENT)
    write_lines(tmp_path / "roads.gpkg", town(), "EPSG:4326")
    make_input(own_spec, NETWORK, Layout(tmp_path))
    found = open_layer(own_spec, "trees", tmp_path).network(EXTENT)
    np.testing.assert_array_equal(np.bincount(found.id), np.bincount(wanted.id))
    nodes = [np.stack((network.x, network.y), axis=1) for network in (found, wanted)]
    distance, _ = cKDTree(nodes[0]).query(nodes[1])
    assert distance.max() < 2
