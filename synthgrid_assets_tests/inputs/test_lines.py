"""Lines of a file: every mistake told by name, and vertices where PROJ puts them."""

import geopandas
import numpy as np
import pyproj
import pytest
import shapely
from shapely import LineString, MultiLineString, Point, Polygon

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.lines import MAX_TOLD, LineSource
from synthgrid_assets.lattice.cells import CELL, Lattice
from synthgrid_assets_tests.street_world import at, quanta_lines, town, write_lines

LATTICE = Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0)
STREET = LineString(at((0, 0), (3, 0), (3, 4)))
STILL = LineString(at((2, 1), (2, 1), (2, 1)))

BAD = {
    "a point": (Point(at((1, 1))), "feature 1 is a Point; constraints are lines, or polygons"),
    "points": (shapely.MultiPoint(at((1, 1), (2, 2))), "feature 1 is a MultiPoint"),
    "a collection": (shapely.GeometryCollection([STREET]), "feature 1 is a GeometryCollection"),
    "nothing": (None, "feature 1 has no geometry"),
    "an empty line": (LineString(), "feature 1 has no geometry"),
    "no length": (STILL, r"feature 1 has a line without length: .* \(8388608, 4194304\)"),
    "a part without length": (
        MultiLineString([STREET, STILL]),
        "feature 1 has a line without length",
    ),
    "less than a quantum": (
        LineString(at((2, 1), (2 + 1e-8, 1))),
        "feature 1 has a line without length",
    ),
    "out of range": (
        LineString(at((0, 0), (2**22, 5))),
        "feature 1: a vertex cannot be placed .* within 4194304 cells",
    ),
    "not finite": (
        LineString([(500000, 5400000), (float("inf"), 5400000)]),
        "feature 1: a vertex cannot be placed .* not a finite position",
    ),
}


@pytest.mark.parametrize("mistake", BAD)
def test_a_bad_feature_is_refused_by_number(tmp_path, mistake):
    shape, said = BAD[mistake]
    source = LineSource(write_lines(tmp_path / "f.gpkg", [STREET, shape]))
    with pytest.raises(SpecError, match=rf"f\.gpkg: {said}"):
        source.load(LATTICE)
    assert len(source.mistakes(LATTICE)) == 1


def test_all_mistakes_of_a_file_are_told_in_order(tmp_path):
    shapes = [shape for shape, _ in BAD.values()]
    found = LineSource(write_lines(tmp_path / "f.gpkg", shapes)).mistakes(LATTICE)
    assert [int(text.split("feature ")[1].split()[0].rstrip(":")) for text in found] == [
        *range(len(BAD))
    ]
    many = write_lines(tmp_path / "m.gpkg", [STILL] * (MAX_TOLD + 5))
    assert LineSource(many).mistakes(LATTICE)[-1].endswith("and 5 more features with mistakes")


def test_a_file_without_crs_features_or_itself_is_refused(tmp_path):
    bare = write_lines(tmp_path / "bare.gpkg", [STREET], crs=None)
    (tmp_path / "text.gpkg").write_text("no file of lines")
    empty = tmp_path / "empty.geojson"
    empty.write_text('{"type": "FeatureCollection", "features": []}')
    for path, said in (
        (bare, "no coordinate reference system"),
        (tmp_path / "gone.gpkg", "no such vector file"),
        (tmp_path / "text.gpkg", "cannot be read as a vector file"),
        (empty, "holds no feature"),
    ):
        (found,) = LineSource(path).mistakes(LATTICE)
        assert said in found
        with pytest.raises(SpecError, match=said):
            LineSource(path).load(LATTICE)


def test_a_crs_whose_coordinates_leave_their_area_is_refused_by_feature(tmp_path):
    path = tmp_path / "poles.geojson"
    frame = geopandas.GeoDataFrame(geometry=[LineString([(15, 48), (15, 91)])], crs="EPSG:4326")
    frame.to_file(path)
    (found,) = LineSource(path).mistakes(LATTICE)
    assert "feature 0: a vertex cannot be placed" in found


def lines_of(found):
    x, y = found.x.tolist(), found.y.tolist()
    return [
        (int(number), list(zip(x[a:b], y[a:b], strict=True)))
        for number, a, b in zip(found.feature, found.starts, found.starts[1:], strict=False)
    ]


def test_lines_parts_and_rings_keep_their_vertices_and_their_feature(tmp_path):
    found = LineSource(write_lines(tmp_path / "f.gpkg", town())).load(LATTICE)
    assert lines_of(found) == quanta_lines(town())


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3035", "EPSG:25833"])
def test_each_vertex_is_where_proj_puts_it(tmp_path, crs):
    path = write_lines(tmp_path / "f.gpkg", town(), crs)
    found = LineSource(path).load(LATTICE)
    given = shapely.get_coordinates(geopandas.read_file(path).geometry)
    to_world = pyproj.Transformer.from_crs(crs, "EPSG:32633", always_xy=True)
    expected = (np.column_stack(to_world.transform(*given.T)) - LATTICE.origin) / LATTICE.quantum
    np.testing.assert_array_equal(np.column_stack((found.x, found.y)), np.rint(expected))


def test_segments_run_forward_and_leave_steps_without_length_out(tmp_path):
    bent = LineString(at((3, 4), (3, 4), (0, 0), (0, 2)))
    found = LineSource(write_lines(tmp_path / "f.gpkg", [STREET, bent])).load(LATTICE)
    assert (found.segments[:, :4] // CELL).tolist() == [
        [0, 0, 3, 0],
        [3, 0, 3, 4],
        [0, 0, 3, 4],
        [0, 0, 0, 2],
    ]
    assert found.segments[:, 4].tolist() == [0, 0, 1, 1]


def test_the_description_changes_with_file_crs_and_lattice_only(tmp_path):
    one = write_lines(tmp_path / "a.geojson", [STREET])
    first = LineSource(one).describe(LATTICE)
    copy = tmp_path / "b.geojson"
    copy.write_bytes(one.read_bytes())
    assert LineSource(copy).describe(LATTICE) == first
    others = [
        LineSource(write_lines(tmp_path / "c.geojson", [STREET, STREET])).describe(LATTICE),
        LineSource(write_lines(tmp_path / "d.geojson", [STREET], "EPSG:4326")).describe(LATTICE),
        LineSource(one).describe(Lattice("EPSG:32633", (0.0, 0.0), 64.0)),
    ]
    assert all(other != first for other in others)


def test_polygons_that_overlap_themselves_are_lines_like_others(tmp_path):
    """A mask would refuse them."""
    bow = Polygon(at((0, 0), (4, 4), (4, 0), (0, 4)))
    found = LineSource(write_lines(tmp_path / "f.gpkg", [bow])).load(LATTICE)
    assert len(found.segments) == 4
