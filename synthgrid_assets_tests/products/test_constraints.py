"""Constrained layers: tiles are the constrained triangulation of everything, and stay so.

A triangulation that contains the constraints, and whose other edges are locally Delaunay, is
the constrained Delaunay triangulation (Lee and Lin 1986); with ties decided it is unique.
"""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from PIL import Image, ImageColor

from synthgrid_assets.api import World
from synthgrid_assets.inputs.network_store import StoredNetwork
from synthgrid_assets.lattice.cells import CELL, Cells
from synthgrid_assets.materialize.tile import make_tile
from synthgrid_assets.products.delaunay import DELAUNAY, delaunay_table
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.pictures.canvas import COLOURS
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.reports.exports import export_asset
from synthgrid_assets.reports.status import world_status
from synthgrid_assets.storage.digest import add_digests, digest_from_hex
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.tessellation.anchors import is_anchor
from synthgrid_assets.tessellation.constraints import (
    is_constraint_node,
)
from synthgrid_assets.world.inputs import find_input, make_input
from synthgrid_assets_tests.street_world import (
    quanta_lines,
    street_spec,
    town,
)
from synthgrid_assets_tests.tessellation.networks import constraint_network
from synthgrid_assets_tests.tessellation.patterns import in_circle_sign
from synthgrid_assets_tests.tessellation.test_constrained import at_once

NAMES = ("delaunay", "voronoi", "cell_neighbours")
NETWORK = "constraints/roads"
EXTENT = Cells(0, 0, 32, 32)
LAYERS = ("trees", "cafes")


def make(spec, root, layer, names=NAMES):
    """Receipts of all tiles by name, recorded in the journal."""
    make_input(spec, NETWORK, Layout(root))
    job = open_layer(spec, layer, root).with_pictures().job
    receipts = [
        r for tile in spec.world.tiling for r in make_tile(job, products_named(*names), tile.key)
    ]
    with Journal(Layout(root)) as journal:
        journal.record(receipts)
    return {name: [r for r in receipts if r.asset == name] for name in names}


def union_digest(receipts):
    return add_digests(digest_from_hex(receipt.digest) for receipt in receipts)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The town at tile 8, both layers with streets."""
    folder = tmp_path_factory.mktemp("town")
    spec = street_spec(folder)
    names = {"trees": NAMES, "cafes": ("delaunay",)}
    return spec, folder, {layer: make(spec, folder, layer, names[layer]) for layer in LAYERS}


def test_cells_and_triangles_share_windows_and_few_are_kept(made, monkeypatch):
    spec, folder, _ = made
    context = open_layer(spec, "trees", folder)
    drawn, points = [], context.sampler.points

    def counted(cells):
        drawn.append(cells)
        return points(cells)

    monkeypatch.setattr(type(context.sampler), "points", lambda _, cells: counted(cells))
    cells = Cells(8, 8, 16, 16)
    context.cache.triangles(cells)
    alone = len(drawn)
    found = context.cache.tessellation(cells)
    assert len(drawn) == len(set(drawn)) < 2 * alone
    context.cache.forget()
    again = context.cache.tessellation(cells)
    assert len(drawn) > len(set(drawn))
    np.testing.assert_array_equal(found.triangles, again.triangles)


def test_every_tile_passes_its_exact_tests(made):
    for layer in LAYERS:
        for receipt in made[2][layer]["delaunay"]:
            assert receipt.passed, receipt.verdicts
            tests = {verdict.test for verdict in receipt.verdicts}
            assert tests == {"triangles_are_delaunay", "constraints_are_edges"}


def written(receipts, root):
    """Rows of all tiles: ids, corners in quanta, constraints along a-b, b-c, c-a or -1."""
    table = pa.concat_tables(pq.read_table(root / r.path) for r in receipts)
    corners = shapely.get_coordinates(shapely.from_wkb(table["geometry"].to_numpy()))
    quanta = (corners - (500_000, 5_400_000)) * (CELL / 64)
    np.testing.assert_allclose(quanta, np.rint(quanta), atol=1e-3)
    along = [table[f"constraint_{edge}"].fill_null(-1).to_numpy() for edge in ("ab", "bc", "ca")]
    ids = np.column_stack([table[name].to_numpy() for name in "abc"])
    xy = np.rint(quanta).astype(np.int64).reshape(-1, 4, 2)[:, :3]
    return ids, xy, np.column_stack(along)


def test_the_union_of_the_files_is_the_triangulation_of_everything(made):
    spec, root, receipts = made
    ids, _, along = written(receipts["trees"]["delaunay"], root)
    rows = [tuple(row) for row in np.column_stack((ids, along)).tolist()]
    assert len(rows) == len(set(rows)) > 2500
    lines = quanta_lines(town())
    network = constraint_network([line for _, line in lines], [number for number, _ in lines])
    trees = open_layer(spec, "trees", root).cache._sites
    assert set(rows) == at_once(trees, network, Cells(-46, -46, 78, 78), EXTENT)
    assert is_constraint_node(ids).any()


@pytest.mark.parametrize("layer", LAYERS)
def test_the_files_hold_a_constrained_delaunay_triangulation(made, layer):
    """By other means: areas and lines by GEOS, circles by Python's integers."""
    _, root, receipts = made
    _, xy, along = written(receipts[layer]["delaunay"], root)
    triangles = shapely.polygons(xy.astype(float))
    assert shapely.union_all(triangles).area == pytest.approx(shapely.area(triangles).sum())
    cut = [shapely.LineString(line) for _, line in quanta_lines(town())]
    tree = shapely.STRtree(triangles)
    for line in cut:  # 9 quanta: what rounding cuts to the lattice can move a line by, and more
        crossed = triangles[tree.query(line, predicate="intersects")]
        assert shapely.length(shapely.intersection(shapely.buffer(crossed, -9), line)).max() == 0
    sides = {}
    for corners, labels in zip(xy.tolist(), along.tolist(), strict=True):
        a, b, c = (tuple(corner) for corner in corners)
        for u, v, opposite, label in (
            (a, b, c, labels[0]),
            (b, c, a, labels[1]),
            (c, a, b, labels[2]),
        ):
            sides[u, v] = opposite, label
    free = named = 0
    for (u, v), (apex, label) in sides.items():
        if u < v and (v, u) in sides:
            other, same = sides[v, u]
            assert same == label
            named += label >= 0
            if label < 0:
                free += 1
                assert in_circle_sign(u, v, apex, other) <= 0
    assert free > 2000
    assert named > 150


@pytest.mark.parametrize("layer", LAYERS)
def test_every_street_runs_along_edges_that_name_it(made, layer):
    _, root, receipts = made
    _, xy, along = written(receipts[layer]["delaunay"], root)
    edges = {}
    for k in range(3):
        named = along[:, k] >= 0
        ends = np.stack((xy[named, k], xy[named, (k + 1) % 3]), axis=1).astype(float)
        for line, number in zip(shapely.linestrings(ends), along[named, k], strict=True):
            edges.setdefault(int(number), []).append(line)
    inner = shapely.box(*(2 * CELL,) * 2, *(30 * CELL,) * 2)
    for number, line in quanta_lines(town()):
        street = shapely.intersection(shapely.LineString(line), inner)
        # where streets coincide the edges name the first of them
        known = shapely.union_all([e for n in range(number + 1) for e in edges.get(n, [])])
        steps = shapely.line_interpolate_point(street, np.linspace(0, 1, 200), normalized=True)
        assert shapely.distance(steps, known).max() < 9
    assert set(edges) <= set(range(len(town())))
    assert 7 not in edges  # the street that repeats another one
    union = shapely.union_all([shapely.LineString(line) for _, line in quanta_lines(town())])
    for lines in edges.values():
        assert shapely.distance(shapely.centroid(lines), union).max() < 9


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("change", [{"tile": 16}, {"tile": 32}])
def test_any_tile_side_gives_the_same_rows(made, tmp_path, layer, change):
    spec = street_spec(tmp_path, **change)
    again = make(spec, tmp_path, layer, ("delaunay",))["delaunay"]
    assert union_digest(again) == union_digest(made[2][layer]["delaunay"])


def test_a_quadtree_inside_tiles_changes_no_byte(tmp_path):
    dense = ("points_per_km2 = 300.0\n\n[layers.trees", "points_per_km2 = 1500.0\n\n[layers.trees")
    plain = street_spec(tmp_path, dense, tile=32)
    quadtree = {"decomposition": "quadtree", "max_points_per_unit": 1000}
    split = street_spec(tmp_path, dense, tile=32, **quadtree)
    assert len(open_layer(split, "trees", tmp_path).units(EXTENT)) == 16
    files = [
        [(r.sha256, r.digest) for r in make(spec, tmp_path / str(n), "trees")["delaunay"]]
        for n, spec in enumerate((plain, split))
    ]
    assert files[0] == files[1]


def test_python_gives_what_the_tiles_hold_without_a_run(made, tmp_path):
    spec, root, receipts = made
    world = World(spec, data=tmp_path / "nothing")
    found = world.layer("trees").delaunay(world.bounds)
    ids, _, along = written(receipts["trees"]["delaunay"], root)
    order = [np.lexsort(rows.T) for rows in (found[["a", "b", "c"]].to_numpy(), ids)]
    np.testing.assert_array_equal(found[["a", "b", "c"]].to_numpy()[order[0]], ids[order[1]])
    columns = [f"constraint_{edge}" for edge in ("ab", "bc", "ca")]
    assert [str(found[name].dtype) for name in columns] == ["Int64"] * 3
    named = found[columns].fillna(-1).to_numpy().astype(np.int64)
    np.testing.assert_array_equal(named[order[0]], along[order[1]])
    assert "constraint_ab" not in world.layer("plain").delaunay(world.bounds)


def test_cells_and_neighbours_know_no_streets(made, tmp_path):
    spec, root, receipts = made
    plain = street_spec(
        tmp_path / "plain", ('neighbours = true\nconstraints = "roads"', "neighbours = true")
    )
    for name in ("points", "voronoi", "cell_neighbours", "density"):
        before, after = (open_layer(s, "trees", root).dataset(name) for s in (plain, spec))
        assert before == after, name
    assert open_layer(plain, "trees", root).dataset("delaunay") != open_layer(
        spec, "trees", root
    ).dataset("delaunay")
    assert not any(
        is_constraint_node(pq.read_table(root / r.path)["site_id"].to_numpy()).any()
        for r in receipts["trees"]["voronoi"]
    )


def test_anchors_stand_where_neither_point_nor_node_is(made):
    """So triangles of a constrained layer have fewer of them than its cells."""
    spec, root, receipts = made
    ids, _, _ = written(receipts["cafes"]["delaunay"], root)
    anchors = {int(i) for i in np.unique(ids[is_anchor(ids)])}
    context = open_layer(spec, "cafes", root)
    cells = context.cache.tessellation(EXTENT)
    assert anchors
    inner = {i for i in anchors if 0 <= (i >> 39 & 0x7FFFFF) - 2**22 < 32}
    inner = {i for i in inner if 0 <= (i >> 16 & 0x7FFFFF) - 2**22 < 32}
    assert inner < set(cells.site_id[cells.anchor].tolist())


def test_layers_share_one_network_and_its_nodes(made):
    spec, root, _ = made
    assert spec.made_inputs == (NETWORK,)  # nobody stays within the roads or near them
    nets = [open_layer(spec, layer, root).network(EXTENT) for layer in LAYERS]
    np.testing.assert_array_equal(nets[0].node_id, nets[1].node_id)
    files = list((root / "town" / "constraints" / "roads").iterdir())
    assert len(files) == 1
    assert StoredNetwork(files[0]).verify()


def test_damaged_rows_fail_the_test_that_they_break(made):
    spec, root, _ = made
    context = open_layer(spec, "trees", root)
    tile = list(spec.world.tiling)[5]
    table = delaunay_table(context, context.cache.triangles(tile.cells))
    assert all(verdict.passed for verdict in DELAUNAY.verify(context, tile, table))
    place = table.column_names.index("constraint_ab")
    nothing = pa.nulls(len(table), pa.int64())
    for damaged, broken in (
        (table.set_column(place, "constraint_ab", nothing), {"constraints_are_edges"}),
        (table.slice(1), {"constraints_are_edges", "triangles_are_delaunay"}),
    ):
        verdicts = DELAUNAY.verify(context, tile, damaged)
        assert {verdict.test for verdict in verdicts if not verdict.passed} == broken


def test_the_picture_of_triangles_shows_the_streets(made):
    _, _, receipts = made

    def street_pixels(receipt):
        image = Image.open(io.BytesIO(receipt.png)).convert("RGB")
        return (np.asarray(image) == ImageColor.getrgb(COLOURS["constraint"])).all(axis=2).sum()

    drawn = [street_pixels(receipt) > 0 for receipt in receipts["trees"]["delaunay"]]
    held = [dict(r.facts)["triangles_at_constraints"] > 0 for r in receipts["trees"]["delaunay"]]
    assert not any(shown and not there for shown, there in zip(drawn, held, strict=True))
    assert sum(drawn) > 10  # a street along the border of a tile lies below the frame
    assert not any(street_pixels(receipt) for receipt in receipts["trees"]["voronoi"])
    assert max(len(receipt.png) for receipt in receipts["trees"]["delaunay"]) < 20_000


def test_status_digest_and_export_know_the_network(made, tmp_path):
    spec, root, receipts = made
    row = world_status(spec, root)[0]
    network = find_input(spec, NETWORK, Layout(root))
    assert (row["layer"], row["asset"]) == ("constraints", "roads")
    assert (row["done"], row["stale"], row["rows"]) == (1, 0, network.facts["edges"])
    assert region_digest(spec, root, "constraints", "roads") == network.data_version
    digest = region_digest(spec, root, "trees", "delaunay")
    assert digest_from_hex(digest) == union_digest(receipts["trees"]["delaunay"])
    made_file = export_asset(spec, root, "constraints", "roads", tmp_path / "roads.gpkg")
    assert made_file == (network.facts["edges"], 1, 1, ())
    rows = export_asset(spec, root, "trees", "delaunay", tmp_path / "trees.parquet").rows
    assert rows == sum(receipt.rows for receipt in receipts["trees"]["delaunay"])
    exported = pq.read_table(tmp_path / "trees.parquet")
    assert exported.schema.field("constraint_ab").type == pa.int64()
    assert exported["constraint_ab"].null_count < rows
