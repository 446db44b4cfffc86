"""Layers of points on lines: what stands wrongly in the file is told by file, key and remedy."""

from __future__ import annotations

import pytest
import shapely

from synthgrid_assets.errors import SpecError
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets.world.versions import asset_version, pattern_inputs
from synthgrid_assets_tests.small_world import SMALL
from synthgrid_assets_tests.street_world import at, write_lines

SHOPS = (
    SMALL
    + """
[inputs]
roads = { vector = "roads.gpkg" }
park = { vector = "park.gpkg" }
stops = { vector = "stops.gpkg" }
half = { constant = 0.5 }

[layers.shops]
process = "on_lines"
lines = "roads"
points_per_km = 8.0
clusters = { mean_offspring = 6.0, sigma = 80.0 }
"""
)


@pytest.fixture
def world(tmp_path):
    write_lines(tmp_path / "roads.gpkg", [shapely.LineString(at((1, 1), (30, 40)))])
    write_lines(tmp_path / "park.gpkg", [shapely.box(*at((1, 1))[0], *at((9, 9))[0])])
    write_lines(tmp_path / "stops.gpkg", [shapely.Point(at((5, 5))[0])])

    def write(old: str = "", new: str = ""):
        assert old in SHOPS
        path = tmp_path / "small.toml"
        path.write_text(SHOPS.replace(old, new) if old else SHOPS)
        return path

    return write


def test_the_lines_are_an_input_of_the_points(world):
    spec = load_spec(world())
    assert pattern_inputs(spec, "shops") == ("roads",)
    assert "roads" in spec.made_inputs


@pytest.mark.parametrize(
    ("old", "new", "key", "found"),
    [
        ('lines = "roads"', 'lines = "rods"', "lines", "no input of this world; vector inputs"),
        ('lines = "roads"', 'lines = "half"', "lines", "is not a vector input"),
        ('lines = "roads"', 'lines = "park"', "lines", "holds polygons; give lines"),
        ('lines = "roads"', 'lines = "stops"', "lines", "holds points and no lines"),
        ('lines = "roads"\n', "", "lines", "name of a vector input of lines"),
        ("points_per_km = 8.0", "points_per_km = 0", "points_per_km", "greater than 0"),
        ("sigma = 80.0", "sigma = -1", "clusters.sigma", "greater than 0"),
        ("sigma = 80.0", "sigma = 1e7", "clusters.sigma", "at most 12800"),
        ("mean_offspring = 6.0", "mean_offspring = 1e-9", "clusters.mean_offspring", "so small"),
        (
            'lines = "roads"',
            'lines = "roads"\njoin = { zones = "park", selectivity = 0.2 }',
            "join",
            "are not thinned",
        ),
        ("points_per_km = 8.0", "points_per_km = 1e9", "points_per_km", "use a smaller"),
        ('lines = "roads"', 'lines = "roads"\nwithin = "park"', "within", "are not thinned"),
        ('lines = "roads"', 'lines = "roads"\nintensity = "half"', "intensity", "not thinned"),
        (
            "sigma = 80.0 }",
            "sigma = 80.0 }\n[layers.shops.marks]\nline = { uniform = [0, 1] }",
            "marks.line",
            "collides with the column line",
        ),
        (
            "sigma = 80.0 }",
            "sigma = 80.0 }\n[layers.shops.tessellation]",
            "tessellation.anchors",
            "where its lines are",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(world, old, new, key, found):
    with pytest.raises(SpecError) as raised:
        load_spec(world(old, new))
    (line,) = str(raised.value).splitlines()
    assert line.startswith(str(world(old, new)))
    assert f"layers.shops.{key}" in line
    assert found in line


def test_other_lines_or_clusters_are_other_points(world):
    from synthgrid_assets.products.points import POINTS

    versions = {
        asset_version(load_spec(world(old, new)), "shops", POINTS).code_version
        for old, new in (("", ""), ("sigma = 80.0", "sigma = 81.0"), ("km = 8.0", "km = 9.0"))
    }
    assert len(versions) == 3
