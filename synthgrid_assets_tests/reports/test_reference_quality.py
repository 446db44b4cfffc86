"""A layer beside reference points: equal laws are told from others, and what is wrong is told."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pytest
from typer.testing import CliRunner

from synthgrid_assets.api import World
from synthgrid_assets.cli import app
from synthgrid_assets.errors import SpecError
from synthgrid_assets.reports.reference_quality import reference_quality
from synthgrid_assets.world.tables.reference import ReferenceTable
from synthgrid_assets.world.validation import check_world, load_spec

WORLD = """
[world]
name = "like"
seed = "beside a reference"
crs = "EPSG:2222"
origin = [700000.0, 1000000.0]
cell = 50.0
extent = [0, 0, 24, 20]
tile = 24

[layers.trees]
process = "thomas"
parents_per_km2 = 120.0
mean_offspring = 5.0
sigma = 25.0
reference = { file = "trees.gpkg", marks = ["height"] }

[layers.trees.marks]
height = { normal = { mean = 12.0, sd = 3.0 } }
kind = { choice = { oak = 0.5, lime = 0.5 } }
"""
NAMES = ["wasserstein", "jensen_shannon", "k", "variogram of height"]


def spec_of(folder, **overrides):
    path = folder / "like.toml"
    path.write_text(WORLD)
    return load_spec(path, overrides)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The reference is the layer of another seed: a realisation of the same law."""
    made = tmp_path_factory.mktemp("like")
    (made / "trees.gpkg").touch()
    world = World(spec_of(made, **{"world.seed": "the reference"}))
    (made / "trees.gpkg").unlink()
    world.layer("trees").points(world.bounds).to_crs("EPSG:4269").to_file(made / "trees.gpkg")
    return made


def test_a_reference_of_the_same_law_is_no_farther_than_other_realisations(folder):
    found = reference_quality(spec_of(folder), folder / "data", "trees", replicates=19)
    assert [one.name for one in found.distances] == NAMES
    assert [one.unit for one in found.distances] == ["m", "0 to 1", "m", "variances"]
    for one in found.distances:
        assert one.p_value > 0.05, one
        assert one.value < 3 * one.same_law
    assert found.outside == 0
    assert min(found.points, found.reference) > 200


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (lambda xy, rng: (np.column_stack((xy[:, 0] * 0.5, xy[:, 1])), None), "wasserstein"),
        (lambda xy, rng: (rng.uniform(xy.min(0), xy.max(0), xy.shape), None), "k"),
        (lambda xy, rng: (xy, 12 + xy[:, 0] / 300), "variogram of height"),
    ],
)
def test_a_reference_of_another_law_is_farther_than_all_of_them(folder, change, seen, tmp_path):
    frame = geopandas.read_file(folder / "trees.gpkg").to_crs("EPSG:2222")
    origin = np.array([700000.0, 1000000.0])
    xy = np.column_stack((frame.geometry.x, frame.geometry.y)) - origin
    places, height = change(xy, np.random.default_rng(1))
    frame["geometry"] = geopandas.points_from_xy(*(places + origin).T)
    if height is not None:
        frame["height"] = height
    frame.set_crs("EPSG:2222", allow_override=True).to_file(tmp_path / "other.gpkg")
    table = ReferenceTable(file=str(tmp_path / "other.gpkg"), marks=("height",))
    found = reference_quality(spec_of(folder), folder / "data", "trees", table, replicates=19)
    assert {one.name: one.p_value for one in found.distances}[seen] == 1 / 20


def test_the_command_tells_all_distances(folder, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_WORLDS", str(folder))
    spec_of(folder)
    given = ["quality", "like", "--layer", "trees", "--replicates", "3", "--json"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    assert [one["name"] for one in json.loads(done.stdout)["distances"]] == NAMES


@pytest.mark.parametrize(
    ("table", "layer", "found"),
    [
        ({"file": "trees.gpkg", "marks": ("kind",)}, "trees", "is no number"),
        ({"file": "trees.gpkg", "marks": ("age",)}, "trees", "no mark 'age'"),
        ({"file": "gone.gpkg"}, "trees", "gone.gpkg"),
        ({"file": "trees.gpkg"}, "shrubs", "no layer 'shrubs'"),
    ],
)
def test_what_cannot_be_compared_is_told(folder, table, layer, found):
    own = ReferenceTable(**table).placed(folder)
    with pytest.raises(SpecError, match=found):
        reference_quality(spec_of(folder), folder / "data", layer, own)


def test_a_wrong_reference_in_a_world_file_is_one_line(folder, tmp_path):
    path = folder / "wrong.toml"
    path.write_text(WORLD.replace("trees.gpkg", "gone.gpkg").replace('["height"]', '["age"]'))
    _, problems = check_world(path)
    assert [one.path for one in problems] == [
        "layers.trees.reference.file",
        "layers.trees.reference.marks",
    ]


@pytest.mark.parametrize(
    ("change", "key", "found"),
    [
        (lambda frame: frame.set_geometry(frame.buffer(1.0)), "file", "holds Polygon; give points"),
        (lambda frame: frame.drop(columns="height"), "marks", "no attribute 'height'; it has "),
        (lambda frame: frame.assign(height="tall"), "marks", "must be numbers"),
        (lambda frame: frame.iloc[:0], "file", "holds no feature"),
        (None, "file", "cannot be read"),
    ],
    ids=["polygons", "no height", "words", "empty", "no file of features"],
)
def test_the_check_looks_into_the_reference(folder, tmp_path, change, key, found):
    (tmp_path / "like.toml").write_text(WORLD)
    frame = geopandas.read_file(folder / "trees.gpkg").to_crs("EPSG:2222")
    frame.to_file(tmp_path / "trees.gpkg")
    assert check_world(tmp_path / "like.toml", contents=True)[1] == []
    (tmp_path / "trees.gpkg").unlink()
    if change is None:
        (tmp_path / "trees.gpkg").write_text("nothing of this is a feature")
    else:
        change(frame).to_file(tmp_path / "trees.gpkg")
    assert check_world(tmp_path / "like.toml")[1] == []
    (told,) = check_world(tmp_path / "like.toml", contents=True)[1]
    assert told.path == f"layers.trees.reference.{key}"
    assert found in told.message
