"""Which layer of a file is read, and which formats are."""

import os

import geopandas
import pytest
import shapely

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.masks import MaskSource
from synthgrid_assets.inputs.paths import PathSource, holds_paths
from synthgrid_assets.inputs.sources.vector_layers import read_features
from synthgrid_assets.lattice.cells import Lattice

LATTICE = Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0)
SMALL = shapely.box(500000, 5400000, 500100, 5400100)
LARGE = shapely.box(500000, 5400000, 500900, 5400900)
GPX = (
    '<gpx version="1.1" creator="t" xmlns="http://www.topografix.com/GPX/1/1">{}<trk><trkseg>'
    '<trkpt lat="48.75" lon="15.0"/><trkpt lat="48.76" lon="15.01"/></trkseg></trk></gpx>'
)


def save(path, *shapes, **options):
    geopandas.GeoDataFrame({"i": range(len(shapes))}, geometry=[*shapes], crs=32633).to_file(
        path, **options
    )
    return path


def vertices(source):
    return source.load(LATTICE).x.size


def test_several_layers_are_refused_with_names_and_counts(tmp_path):
    path = save(tmp_path / "a.gpkg", SMALL, layer="aoi")
    save(path, LARGE, SMALL, layer="land")
    with pytest.raises(SpecError, match=r"aoi \(1 features\), land \(2 features\).*`layer`"):
        MaskSource(path).load(LATTICE)
    assert [vertices(MaskSource(path, name)) for name in ("aoi", "land")] == [5, 10]
    with pytest.raises(SpecError, match=r"no layer 'sea'; it has \['aoi', 'land'\]"):
        MaskSource(path, "sea").load(LATTICE)


def test_folders_of_kml_are_layers(tmp_path):
    path = tmp_path / "a.kml"
    place = (
        "<Folder><name>{}</name><Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>"
        "15,48.75 15.01,48.75 15.01,48.76 15,48.75</coordinates></LinearRing></outerBoundaryIs>"
        "</Polygon></Placemark></Folder>"
    )
    kml = '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{}</Document></kml>'
    path.write_text(kml.format(place.format("one") + place.format("two")))
    with pytest.raises(SpecError, match=r"one \(1 features\), two \(1 features\)"):
        MaskSource(path).load(LATTICE)
    path.write_text(kml.format(place.format("one")))
    assert vertices(MaskSource(path)) == 4


def test_layers_of_gpx_that_hold_nothing_are_no_choice(tmp_path):
    path = tmp_path / "a.gpx"
    path.write_text(GPX.format(""))
    with pytest.raises(SpecError, match=r"tracks \(1 features\), track_points \(2 features\)"):
        PathSource(path).load(LATTICE)
    assert vertices(PathSource(path, "tracks")) == 2
    assert holds_paths(path, "track_points")


def test_geoparquet_is_read(tmp_path):
    frame = geopandas.GeoDataFrame({"i": [1]}, geometry=[LARGE], crs=32633)
    frame.rename_geometry("shape").to_parquet(tmp_path / "a.parquet")
    assert vertices(MaskSource(tmp_path / "a.parquet")) == 5
    frame.set_crs(None, allow_override=True).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(SpecError, match="no coordinate reference system"):
        MaskSource(tmp_path / "b.parquet").load(LATTICE)
    frame[["i"]].to_parquet(tmp_path / "c.parquet")
    with pytest.raises(SpecError, match="without the metadata `geo`"):
        MaskSource(tmp_path / "c.parquet").load(LATTICE)
    with pytest.raises(SpecError, match="drop the key `layer`"):
        MaskSource(tmp_path / "a.parquet", "a").load(LATTICE)


def test_a_folder_is_one_dataset(tmp_path):
    save(tmp_path / "a.gdb", LARGE, driver="OpenFileGDB")
    (tmp_path / "folder").mkdir()
    save(tmp_path / "folder" / "land.shp", LARGE)
    assert vertices(MaskSource(tmp_path / "a.gdb")) == 5
    assert vertices(MaskSource(tmp_path / "folder")) == 5


def test_attributes_in_a_wrong_encoding_do_not_matter(tmp_path):
    frame = geopandas.GeoDataFrame({"name": ["Öland"]}, geometry=[LARGE], crs=32633)
    frame.to_file(tmp_path / "a.shp", encoding="ISO-8859-1")
    (tmp_path / "a.cpg").write_text("UTF-8")
    assert vertices(MaskSource(tmp_path / "a.shp")) == 5


def test_pipes_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.geojson")
    (tmp_path / "b.geojson").symlink_to("/dev/zero")
    for name in ("a.geojson", "b.geojson"):
        with pytest.raises(SpecError, match="named pipe, device or socket"):
            MaskSource(tmp_path / name).load(LATTICE)
        assert not holds_paths(tmp_path / name, None)


def test_geoparquet_of_two_crs_is_refused_by_their_names(tmp_path):
    for name, crs in (("a", 32633), ("b", 32632)):
        frame = geopandas.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], crs=crs)
        frame.to_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(SpecError, match=r"in WGS 84 / UTM zone 33N and in WGS 84 / UTM zone 32N;"):
        read_features(tmp_path, None)


def test_a_file_of_no_known_format_is_refused_without_a_hint_that_leads_nowhere(tmp_path):
    (tmp_path / "a.feather").write_bytes(b"ARROW1")
    with pytest.raises(SpecError, match=r"not recognized .* file format\.$"):
        read_features(tmp_path / "a.feather", None)
