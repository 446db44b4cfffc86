"""Export: every row once, in files that other programs read, whatever the tiling."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pyproj
import pytest
import shapely

from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tiling
from synthgrid_assets.storage.formats.export import export_tiles, losses
from synthgrid_assets.storage.formats.geoparquet import plain_table
from synthgrid_assets.storage.formats.parquet_file import serialise
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.manifest import write_tile_index
from synthgrid_assets.storage.tile_index import read_tiles
from synthgrid_assets_tests.storage.made_region import (
    EXTENT,
    LATTICE,
    commit_points,
    commit_squares,
    dataset,
    frame_of,
    pattern,
    receipt,
)

FORMATS = ("parquet", "csv", "gpkg", "geojson", "geojsons", "geojsonl")


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    return root, commit_points(root, 8), commit_squares(root, 8)


@pytest.mark.parametrize("name", ["cafes.shp", "cafes.fgb", "cafes", "cafes.json"])
def test_an_extension_that_is_not_known_is_refused_with_those_that_are(region, name, tmp_path):
    points = region[1]
    with pytest.raises(SpecError, match=r"allowed are \.csv, \.geojson, .*\.parquet"):
        export_tiles(points, tmp_path / name)


def test_an_export_that_fails_leaves_the_earlier_one(tmp_path):
    index = commit_points(tmp_path, 8)
    (tmp_path / "out").mkdir()
    for suffix in ("parquet", "gpkg", "geojsons", "csv"):
        target = tmp_path / "out" / f"merged.{suffix}"
        export_tiles(index, target)
        before = target.read_bytes()
        lost = tmp_path / index.files()[5].file
        kept = lost.read_bytes()
        lost.unlink()
        with pytest.raises(StorageError, match=r"tile .* is missing"):
            export_tiles(index, target)
        lost.write_bytes(kept)
        assert target.read_bytes() == before
    assert len(list((tmp_path / "out").iterdir())) == 4


@pytest.mark.parametrize("asset", ["points", "squares"])
def test_the_merged_geoparquet_is_the_same_file_for_any_tiling(tmp_path, asset):
    commit = commit_points if asset == "points" else commit_squares
    files = []
    for side in (5, 8, 40):
        root = tmp_path / str(side)
        index = commit(root, side)
        rows = export_tiles(index, root / "merged.parquet")
        assert rows == len(pattern())
        files.append((root / "merged.parquet").read_bytes())
    assert files[0] == files[1] == files[2]
    frame = geopandas.read_parquet(root / "merged.parquet")
    whole = read_tiles(index)
    name = whole.column_names[0]
    assert frame.crs == pyproj.CRS(LATTICE.crs)
    assert sorted(frame[name]) == sorted(whole[name].to_pylist())
    geo = json.loads(pq.read_schema(root / "merged.parquet").metadata[b"geo"])
    assert geo["columns"]["geometry"]["bbox"] == frame.total_bounds.tolist()


def test_row_groups_of_the_merged_file_are_compact(tmp_path):
    """Hilbert order: four row groups of an even pattern cover little more than the region."""
    extent = Cells(-32, -32, 32, 32)
    index = commit_points(tmp_path, 16, extent, per_cell=16.0)
    export_tiles(index, tmp_path / "merged.parquet")
    file = pq.ParquetFile(tmp_path / "merged.parquet")
    area = 0.0
    for group in range(file.num_row_groups):
        xy = shapely.get_coordinates(
            shapely.from_wkb(file.read_row_group(group)["geometry"].to_numpy())
        )
        area += float(np.prod(xy.max(axis=0) - xy.min(axis=0)))
    west, south, east, north = LATTICE.bounds(extent)
    assert file.num_row_groups == 4
    assert area < 1.6 * (east - west) * (north - south)


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "geojsons", "geojsonl"])
@pytest.mark.parametrize("asset", ["points", "squares"])
def test_gdal_reads_every_row_at_its_place(region, tmp_path, suffix, asset):
    index = region[1] if asset == "points" else region[2]
    target = tmp_path / f"merged.{suffix}"
    assert export_tiles(index, target) == len(pattern())
    frame = pyogrio.read_dataframe(target)
    whole = frame_of(read_tiles(index))
    name = whole.columns[0]
    assert frame[name].tolist() == whole[name].tolist()
    assert "bbox" not in frame
    if suffix == "gpkg":
        assert frame.crs == pyproj.CRS(LATTICE.crs)
        assert set(pyogrio.list_layers(target)[:, 0]) == {"merged"}
    else:
        assert frame.crs == pyproj.CRS("EPSG:4326")
        frame = frame.to_crs(LATTICE.crs)
    there = ~whole.geometry.is_empty
    ours, theirs = whole.geometry[there], frame.geometry[there]
    assert np.abs(ours.bounds.to_numpy() - theirs.bounds.to_numpy()).max() < 0.01


def test_a_geojson_text_sequence_is_framed_as_rfc_8142_says(region, tmp_path):
    points = region[1]
    export_tiles(points, tmp_path / "merged.geojsons")
    export_tiles(points, tmp_path / "merged.geojsonl")
    records = (tmp_path / "merged.geojsons").read_text().split("\x1e")
    assert records[0] == ""
    assert all(record.endswith("\n") for record in records[1:])
    lines = (tmp_path / "merged.geojsonl").read_text().splitlines()
    assert [json.loads(r) for r in records[1:]] == [json.loads(line) for line in lines]
    longitude, latitude = json.loads(lines[0])["geometry"]["coordinates"]
    assert 14 < longitude < 16
    assert 48 < latitude < 50


def test_csv_holds_coordinates_to_the_last_digit(region, tmp_path):
    points, squares = region[1:]
    export_tiles(points, tmp_path / "points.csv")
    frame = pandas.read_csv(tmp_path / "points.csv", float_precision="round_trip")
    assert list(frame) == ["id", "x_q", "y_q", "kind", "x", "y"]
    x, y = LATTICE.coordinates(frame.x_q.to_numpy(), frame.y_q.to_numpy())
    np.testing.assert_array_equal(frame[["x", "y"]], np.c_[x, y])
    export_tiles(squares, tmp_path / "squares.csv")
    frame = pandas.read_csv(tmp_path / "squares.csv")
    whole = read_tiles(squares)
    assert list(shapely.from_wkt(frame.wkt)) == list(
        shapely.from_wkb(whole["geometry"].to_numpy(zero_copy_only=False))
    )


def test_lists_become_text_and_tables_without_geometry_stay_tables(tmp_path):
    import pyarrow as pa

    layout, data, tiling = Layout(tmp_path), dataset(16, "cell_neighbours"), Tiling(EXTENT, 16)
    with Journal(layout) as journal:
        for tile in tiling:
            ids = np.arange(3) + 10 * tile.column
            lists = pa.array([[1, 2], [], [3]], pa.list_(pa.int64()))
            path = layout.tile(data, tile)
            table = plain_table({"site_id": ids, "merged_ids": lists}, {"layer": "cafes"})
            facts = layout.store.put(path, serialise(table))
            journal.record([receipt(data, tile, path, rows=3, **facts._asdict())])
        index = write_tile_index(journal, data, LATTICE, EXTENT).manifest
    rows = 3 * len(tiling)
    assert export_tiles(index, tmp_path / "n.csv") == rows
    frame = pandas.read_csv(tmp_path / "n.csv", keep_default_na=False)
    assert frame.merged_ids.tolist() == ["1 2", "", "3"] * len(tiling)
    assert export_tiles(index, tmp_path / "n.parquet") == rows
    assert pq.read_table(tmp_path / "n.parquet")["merged_ids"].to_pylist()[:3] == [[1, 2], [], [3]]
    with pytest.raises(StorageError, match="no geometry"):
        export_tiles(index, tmp_path / "n.gpkg")


@pytest.mark.parametrize("suffix", ["csv", "geojsonl"])
def test_ids_as_text_outlive_readers_that_take_numbers_for_doubles(region, tmp_path, suffix):
    """Ids of neighbouring points are the same double; as text they are what they were."""
    index = region[1]
    wanted = sorted(read_tiles(index)["id"].to_pylist())
    assert len({float(id) for id in wanted}) < len(wanted)
    for text_ids in (False, True):
        target = tmp_path / f"{text_ids}.{suffix}"
        export_tiles(index, target, text_ids=text_ids)
        if suffix == "csv":
            found = list(pandas.read_csv(target, dtype={"id": str}).id)
        else:
            lines = target.read_text().splitlines()
            found = [json.loads(line, parse_int=float)["properties"]["id"] for line in lines]
        distinct = {int(id) if isinstance(id, str) else id for id in found}
        assert (sorted(distinct) == wanted) == (text_ids or suffix == "csv")


def test_what_a_format_loses_is_said(tmp_path):
    schema = pa.schema([("id", pa.int64()), ("opened", pa.timestamp("us", "UTC"))])
    told = {suffix: losses(schema, Path(f"a.{suffix}"), text_ids=False) for suffix in FORMATS}
    assert [len(told[suffix]) for suffix in FORMATS] == [0, 1, 1, 2, 2, 2]
    assert "--text-ids" in told["csv"][0]
    assert "opened" in told["gpkg"][0]
    assert losses(schema, Path("a.csv"), text_ids=True) == []
