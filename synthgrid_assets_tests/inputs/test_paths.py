"""Points and lines of a file, vertex for vertex on the lattice."""

import geopandas
import numpy as np
import pytest
import shapely

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.masks import MaskSource
from synthgrid_assets.inputs.paths import PathSource, vector_source
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
    ("shapes", "kind"),
    [
        ([BENT], PathSource),
        ([DOT, BENT], PathSource),
        ([shapely.MultiPoint([DOT])], PathSource),
        ([AREA], MaskSource),
        ([AREA, BENT], MaskSource),  # refused there, in words
    ],
)
def test_a_file_is_taken_for_what_it_holds(tmp_path, shapes, kind):
    assert isinstance(vector_source(written(tmp_path / "f.gpkg", *shapes), None), kind)
    assert isinstance(vector_source(tmp_path / "gone.gpkg", None), MaskSource)


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
