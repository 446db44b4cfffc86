"""Tile index: the list of committed tiles, and reads through it that miss no row."""

import itertools

import duckdb
import geopandas
import numpy as np
import pyproj
import pytest
import shapely

from synthgrid_assets.errors import StorageError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tiling
from synthgrid_assets.storage import manifest
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.manifest import write_tile_index
from synthgrid_assets.storage.store import file_facts
from synthgrid_assets.storage.tile_index import TileIndex, read_tiles
from synthgrid_assets_tests.storage.made_region import (
    EXTENT,
    LATTICE,
    commit_points,
    commit_squares,
    dataset,
    frame_of,
    pattern,
)

BOUNDS = LATTICE.bounds(EXTENT)
BOXES = [
    BOUNDS,
    (499500.0, 5400300.0, 499931.3, 5400777.7),
    (500000.0, 5400512.0, 500064.0, 5400576.0),
    (0.0, 0.0, 1.0, 1.0),
]


def test_missing_indexes_tiles_and_rows_are_named(tmp_path):
    with pytest.raises(StorageError, match="cannot read tile index"):
        read_tiles(TileIndex(Layout(tmp_path).store, "none.parquet"))
    with Journal(Layout(tmp_path)) as journal:
        facts = write_tile_index(journal, dataset(8), LATTICE, EXTENT)
    index = facts.manifest
    assert facts[:3] == (0, 0, "0" * 64)
    assert len(geopandas.read_parquet(index.address)) == 0
    with pytest.raises(StorageError, match="lists no committed tile"):
        read_tiles(index)
    index = commit_points(tmp_path, 8)
    damaged = tmp_path / index.files()[2].file
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.raises(StorageError, match=f"{damaged} has .* bytes with SHA-256"):
        read_tiles(index)


def test_geopandas_reads_the_index_as_a_map_of_tiles(tmp_path):
    frame = geopandas.read_parquet(commit_points(tmp_path, 8).address)
    tiling = Tiling(EXTENT, 8)
    assert frame.crs == pyproj.CRS(LATTICE.crs)
    assert list(frame.tile) == [tile.key for tile in tiling]
    assert list(frame.geometry) == [shapely.box(*LATTICE.bounds(tile.cells)) for tile in tiling]
    assert set(frame.state) == {"committed"}
    assert frame.rows.sum() == len(pattern())
    assert list(frame.passed) == [tile.row != 0 for tile in tiling]
    assert set(frame.failed_checks) == {"", "points_are_canonical"}
    assert (frame.seconds == 0.75).all()
    store = Layout(tmp_path).store
    for file, size, sha256 in zip(frame.file, frame["size"], frame.sha256, strict=True):
        assert file_facts(store, file) == (sha256, size)
    assert (
        0
        < len(geopandas.read_parquet(commit_points(tmp_path, 8).address, bbox=BOXES[1]))
        < len(frame)
    )


def test_rows_and_digest_of_the_index_are_the_same_on_any_tiling(tmp_path):
    found = set()
    for side in (3, 8, 40):
        root = tmp_path / str(side)
        commit_points(root, side)
        with Journal(Layout(root)) as journal:
            facts = write_tile_index(journal, dataset(side), LATTICE, EXTENT)
        assert facts.tiles == len(Tiling(EXTENT, side))
        found.add((facts.rows, facts.digest))
    assert len(found) == 1
    assert found.pop()[0] == len(pattern())


def test_an_index_never_overwrites_one_that_knows_more(tmp_path, monkeypatch):
    """Another run records a tile and writes the index while this one is being made."""
    commit_points(tmp_path, 8)
    with Journal(Layout(tmp_path)) as journal:
        late = next(iter(journal.receipts(dataset(8))))
        journal.forget([late])
        journal.layout.store.delete(journal.layout.tile_index("riverton", "cafes", "points"))
        made, calls = manifest._made, []

        def overtaken(*arguments):
            calls.append(arguments)
            before = made(*arguments)
            if len(calls) == 1:
                journal.record([late])
                write_tile_index(journal, dataset(8), LATTICE, EXTENT)
            return before

        monkeypatch.setattr(manifest, "_made", overtaken)
        facts = write_tile_index(journal, dataset(8), LATTICE, EXTENT)
    assert len(calls) == 3  # its own, the other run's, and its own again
    assert facts.tiles == len(facts.manifest.files()) == len(Tiling(EXTENT, 8))


@pytest.mark.parametrize("bbox", BOXES)
def test_a_box_gives_exactly_its_points_on_any_tiling(tmp_path, bbox):
    points = pattern()
    x, y = LATTICE.coordinates(points.x, points.y)
    inside = (x >= bbox[0]) & (x < bbox[2]) & (y >= bbox[1]) & (y < bbox[3])
    for side in (3, 8):
        root = tmp_path / str(side)
        table = read_tiles(commit_points(root, side), bbox)
        assert sorted(table["id"].to_pylist()) == sorted(points.ids()[inside].tolist())


def test_boxes_that_divide_the_region_divide_its_points(tmp_path):
    index = commit_points(tmp_path, 8)
    west, south, east, north = BOUNDS
    middle = LATTICE.coordinates(pattern().x[100:101], pattern().y[100:101])
    x, y = float(middle[0][0]), float(middle[1][0])  # a border that a point lies on
    boxes = [(a, c, b, d) for a, b in ((west, x), (x, east)) for c, d in ((south, y), (y, north))]
    parts = [read_tiles(index, box)["id"].to_pylist() for box in boxes]
    assert sorted(itertools.chain(*parts)) == sorted(pattern().ids().tolist())


@pytest.mark.parametrize("bbox", BOXES)
def test_a_box_gives_every_polygon_that_meets_it_also_from_tiles_beside_it(tmp_path, bbox):
    index = commit_squares(tmp_path, 8)
    whole = frame_of(read_tiles(index))
    meets = shapely.intersects(whole.geometry.to_numpy(), shapely.box(*bbox))
    found = read_tiles(index, bbox)
    assert found["site_id"].to_pylist() == whole.site_id[meets].tolist()
    assert bbox != BOUNDS or len(found) == int(whole.valid.sum())


def test_duckdb_reads_a_box_through_the_file_list(tmp_path):
    index = commit_points(tmp_path, 8)
    xmin, ymin, xmax, ymax = BOXES[1]
    ((files,),) = duckdb.sql(
        f"SELECT list('{tmp_path}/' || file) FROM '{index.address}' WHERE state = 'committed' "
        f"AND xmin <= {xmax} AND xmax >= {xmin} AND ymin <= {ymax} AND ymax >= {ymin}"
    ).fetchall()
    assert 0 < len(files) < len(Tiling(EXTENT, 8))
    connection = duckdb.connect()
    origin, quantum = LATTICE.origin, LATTICE.quantum
    rows = connection.execute(
        "SELECT id FROM read_parquet(?) WHERE ? + x_q * ? BETWEEN ? AND ? "
        "AND ? + y_q * ? BETWEEN ? AND ?",
        [files, origin[0], quantum, xmin, xmax, origin[1], quantum, ymin, ymax],
    ).fetchall()
    assert sorted(row[0] for row in rows) == sorted(read_tiles(index, BOXES[1])["id"].to_pylist())


def test_tiles_of_another_extent_and_lost_tiles_are_not_counted(tmp_path):
    commit_points(tmp_path, 8)
    smaller = Cells(-8, 8, 20, 24)  # the tiles at its east are clipped otherwise
    with Journal(Layout(tmp_path)) as journal:
        facts = write_tile_index(journal, dataset(8), LATTICE, smaller)
        index = facts.manifest
        assert facts.tiles == 3 * 2
        files = index.files()
        (tmp_path / files[0].file).unlink()
        lost = write_tile_index(journal, dataset(8), LATTICE, smaller)
    frame = geopandas.read_parquet(index.address)
    assert list(frame.state) == ["missing"] + ["committed"] * 5
    assert lost.tiles == 5
    assert lost.rows == facts.rows - frame.rows[0]
    assert index.files() == files[1:]
    assert np.isin(frame.ix1, [0, 8, 16]).all()
