"""A mark changes itself and what depends on it; a copy changes everything; nothing else does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.points import draw, points_digest
from synthgrid_assets.products.registry import PRODUCTS
from synthgrid_assets.storage.digest import add_digests
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets.world.versions import (
    asset_version,
    component_key,
    input_names,
    mark_components,
    pattern_inputs,
    process_component,
)
from synthgrid_assets_tests.products.tile_tests.marked_world import marked_spec, write_people

CELLS = Cells(0, 0, 8, 8)
OPENED = "opened = { timestamp = { start = 2026-01-01, end = 2027-01-01 } }\n"
ADDED = OPENED + "added = { uniform = [0, 1] }\n"


@pytest.fixture
def drawn(tmp_path):
    """Points and marks of the layer, with texts of the world file replaced."""

    def points(*changes):
        return draw(open_layer(marked_spec(tmp_path, *changes), "cafes", tmp_path), CELLS)

    return points


def changed_marks(before, after):
    assert np.array_equal(before.ids, after.ids)
    assert all(map(np.array_equal, before.pattern, after.pattern))
    shared = before.marks.keys() & after.marks.keys()
    return {name for name in shared if not before.marks[name].equals(after.marks[name])}


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ((OPENED, ADDED), set()),
        (("opened =", "founded ="), set()),
        (("end = 2027-01-01", "end = 2026-12-31"), {"opened"}),
        (("coffee = 0.7", "coffee = 0.6"), {"kind", "price"}),
        (("sigma = 0.3", "sigma = 0.31"), {"price"}),
        (("sd = 1.0", "sd = 1.1"), {"value", "queue"}),
        (("tea = 3 }", "tea = 2 }"), {"price"}),
        (("edge = 0.2", "edge = 0.3"), {"area"}),
        (("{ coffee = 0.7, tea = 0.3 }", "{ tea = 0.3, coffee = 0.7 }"), set()),
    ],
)
def test_a_change_of_marks_changes_exactly_what_depends_on_it(drawn, change, changed):
    assert changed_marks(drawn(), drawn(change)) == changed


def test_a_renamed_source_redraws_what_depends_on_it(drawn):
    renamed = drawn(("kind =", "sort ="), ('by = "kind"', 'by = "sort"'))
    assert changed_marks(drawn(), renamed) == {"price"}


def test_any_tiling_gives_the_same_digest_of_points_and_marks(tmp_path):
    context = open_layer(marked_spec(tmp_path), "cafes", tmp_path)
    parts = [Cells(x, y, x + 2, min(y + 3, 8)) for x in range(0, 8, 2) for y in range(0, 8, 3)]
    together = add_digests(points_digest(draw(context, cells)) for cells in parts)
    assert together == points_digest(draw(context, CELLS))


def test_versions_change_where_values_do(tmp_path):
    plain = marked_spec(tmp_path).layers["cafes"]
    other = marked_spec(tmp_path, ("coffee = 0.7", "coffee = 0.6")).layers["cafes"]
    before, after = mark_components(plain), mark_components(other)
    assert {name for name in before if before[name] != after[name]} == {"kind", "price"}


def test_only_points_read_the_rasters_of_marks(tmp_path):
    """Another raster: other data versions of points and marks, the same tessellation."""
    data = tmp_path / "data"
    spec = marked_spec(tmp_path, made_in=data)
    before = open_layer(spec, "cafes", data)
    assert pattern_inputs(spec, "cafes") == ()
    assert input_names(spec, "cafes") == ("people",)
    old = draw(before, Cells(0, 0, 32, 32))
    names = ("points", "delaunay", "voronoi", "density")
    old_sets = {name: before.dataset(name) for name in names}
    release_name = before.job.pattern
    write_people(tmp_path / "people.tif", extra=3.0)
    make_input(spec, "people", Layout(data))
    after = open_layer(spec, "cafes", data)
    changed = {name for name in names if after.dataset(name) != old_sets[name]}
    assert changed == {"points"}
    assert after.job.pattern == release_name
    assert changed_marks(old, draw(after, Cells(0, 0, 32, 32))) == {"value", "queue", "area"}


def test_the_original_has_the_keys_it_always_had(tmp_path):
    spec = marked_spec(tmp_path)
    component = process_component(spec.layers["cafes"])
    wanted = stream_key("a marked world", "cafes", "process", component.version)
    assert component_key(spec, "cafes", component) == wanted
    explicit = marked_spec(tmp_path, ("points_per_km2", "implicate = 0\npoints_per_km2"))
    assert explicit == spec
    for product in PRODUCTS.values():
        versions = [asset_version(s, "cafes", product) for s in (spec, explicit)]
        assert versions[0] == versions[1]
        assert not any(part.name.startswith("copy/") for part in versions[0].components)


def copy(tmp_path, number, layer="cafes"):
    line = 'process = "poisson"' if layer == "cafes" else 'process = "thomas"'
    spec = marked_spec(tmp_path, (line, f"{line}\nimplicate = {number}"))
    return open_layer(spec, layer, tmp_path)


def test_a_copy_is_another_realisation_of_every_product(tmp_path):
    copies = [copy(tmp_path, number) for number in (0, 1, 2)]
    for name in ("points", "delaunay", "voronoi", "density"):
        assert len({context.dataset(name) for context in copies}) == 3
    keys = [(context.mark_keys["kind"], context.mark_keys["price"]) for context in copies]
    assert len({key for pair in keys for key in pair}) == 6
    assert len({points_digest(draw(context, CELLS)) for context in copies}) == 3


def cell_counts(context):
    """Points in windows of 4 x 4 cells, 400 of them."""
    pattern = context.sampler.points(Cells(0, 0, 80, 80))
    bins = [np.arange(0, 81, 4) * 2**22] * 2
    return np.histogram2d(pattern.x, pattern.y, bins)[0].ravel()


def test_copies_are_independent_draws_of_the_same_law(tmp_path):
    """Three copies of a clustered, thinned layer, 400 windows each.

    Correlations of counts have mean 0 and, windows being nearly independent, sd 1/20; the
    same words would give 1, the same parents about 0.9. All means lie within 5 standard
    errors of each other; each bound has a false alarm probability below 1e-6.
    """
    counts = [cell_counts(copy(tmp_path, number, "trees")) for number in (0, 1, 2)]
    # the surface's trend is common to all copies
    trend = np.mean([cell_counts(copy(tmp_path, n, "trees")) for n in range(3, 27)], axis=0)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        a, b = (counts[i] - trend for i in (first, second))
        assert abs(stats.pearsonr(a, b).statistic) < 0.3
        spread = np.sqrt(counts[first].var() + counts[second].var()) / 20
        assert abs(counts[first].mean() - counts[second].mean()) < 5.5 * spread
