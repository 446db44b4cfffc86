"""Points and lines of a file, vertex for vertex on the lattice."""

import geopandas
import numpy as np
import pytest
import shapely

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.paths import PathSource, holds_paths
from synthgrid_assets.lattice.cells import CELL, Lattice

LATTICE = Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0)
BENT = shapely.LineString([(500000, 5400000), (500064, 5400000), (500064, 5400128)])
DOT = shapely.Point(500032, 5400032)
AREA = shapely.box(500000, 5400000, 500100, 5400100)


def written(path, *shapes, crs="EPSG:32633"):
    geopandas.GeoDataFrame(geometry=list(shapes), crs=crs).to_file(path, driver="GPKG")
    return path


def test_polygons_among_lines_are_refused_by_number(tmp_path):
    path = written(tmp_path / "mixed.gpkg", BENT, AREA)
    with pytest.raises(SpecError, match="feature 1 is a Polygon"):
        PathSource(path).load(LATTICE)


def test_a_file_without_crs_or_far_away_is_refused(tmp_path):
    with pytest.raises(SpecError, match="reference system"):
        PathSource(written(tmp_path / "a.gpkg", DOT, crs=None)).load(LATTICE)
    far = written(tmp_path / "b.gpkg", shapely.Point(1e12, 0))
    with pytest.raises(SpecError, match="lattice"):
        PathSource(far).load(LATTICE)


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([BENT], True),
        ([DOT, BENT], True),
        ([shapely.MultiPoint([DOT])], True),
        ([AREA], False),
        ([AREA, BENT], False),  # refused there, in words
    ],
)
def test_a_file_is_taken_for_what_it_holds(tmp_path, shapes, expected):
    assert holds_paths(written(tmp_path / "f.gpkg", *shapes), None) == expected
    assert not holds_paths(tmp_path / "gone.gpkg", None)


def test_vertices_and_segments_are_those_of_the_file(tmp_path):
    shapes = [DOT, shapely.MultiLineString([BENT, [(500128, 5400064), (500192, 5400064)]])]
    paths = PathSource(written(tmp_path / "f.gpkg", *shapes)).load(LATTICE)
    assert paths.starts.tolist() == [0, 1, 4, 6]
    ends = np.array(paths.segments) / CELL
    assert ends.T.tolist() == [
        [0.5, 0.5, 0.5, 0.5],
        [0, 0, 1, 0],
        [1, 0, 1, 2],
        [2, 1, 3, 1],
    ]
