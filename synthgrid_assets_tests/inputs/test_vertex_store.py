"""Stored masks and paths: vertex for vertex what was made, under the digests they always had."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from synthgrid_assets.errors import StorageError
from synthgrid_assets.inputs.masks import Mask, MaskSource
from synthgrid_assets.inputs.paths import Paths
from synthgrid_assets.inputs.vertex_store import (
    MASK,
    PATHS,
    find_vertices,
    load_vertices,
    store_vertices,
)
from synthgrid_assets.lattice.cells import Cells, Lattice

OUTLINE = MaskSource(Path(__file__).parents[2] / "worlds" / "bahamas" / "outline.geojson")
LATTICE = Lattice("EPSG:32617", (750000.0, 2610000.0), 500.0)
EXTENT = Cells(-16, 10, 288, 384)
VERSION = "0" * 32
PATHS_OF_TWO = Paths(np.array([0, 5, 9]), np.array([-1, 2, 2**40]), np.array([0, 1, 3]))
TRIANGLE = Mask(np.array([0, 9, 0, 0]), np.array([0, 0, 9, 0]), np.array([0, 4]), np.array([0]))


@pytest.mark.parametrize("name", ["none.parquet", "none.paths.parquet"])
def test_an_absent_file_is_named(tmp_path, name):
    with pytest.raises(StorageError, match=f"{name} holds no stored (mask|paths)"):
        load_vertices(tmp_path / name)


@pytest.mark.parametrize("found", [PATHS_OF_TWO, TRIANGLE], ids=["paths", "mask"])
def test_a_torn_or_changed_file_is_refused(tmp_path, found):
    record = store_vertices(tmp_path, found, VERSION)
    table = pq.read_table(record.path)
    turned = table.set_column(table.column_names.index("x_q"), "x_q", table["y_q"])
    pq.write_table(turned, record.path)
    with pytest.raises(StorageError, match="lack the recorded digest"):
        load_vertices(record.path)
    record.path.write_bytes(b"torn")
    with pytest.raises(StorageError, match="holds no stored"):
        load_vertices(record.path)


def assert_same(found, wanted):
    assert type(found) is type(wanted)
    for name, values in vars(wanted).items():
        np.testing.assert_array_equal(getattr(found, name), values)


@pytest.mark.parametrize(
    ("found", "kind", "counts"),
    [
        (PATHS_OF_TWO, PATHS, {"points": 1, "lines": 1, "vertices": 3}),
        (TRIANGLE, MASK, {"polygons": 1, "rings": 1, "vertices": 4}),
        (OUTLINE.load(LATTICE), MASK, {"polygons": 41, "rings": 41, "vertices": 1600}),
    ],
    ids=["paths", "triangle", "outline"],
)
def test_they_come_back_vertex_for_vertex_and_are_found_again(tmp_path, found, kind, counts):
    assert find_vertices(tmp_path, kind, VERSION) is None
    record = store_vertices(tmp_path, found, VERSION)
    assert find_vertices(tmp_path, kind, VERSION) == record
    assert store_vertices(tmp_path, found, VERSION) == record
    assert record.counts == counts
    assert find_vertices(tmp_path, MASK if kind == PATHS else PATHS, VERSION) is None
    assert find_vertices(tmp_path, kind, "1" * 32) is None
    assert_same(load_vertices(record.path), found)


def test_digests_are_those_of_all_earlier_versions(tmp_path):
    """Data roots are full of them: another digest would make every tile stale."""
    digests = [
        store_vertices(tmp_path, it, VERSION).data_version for it in (TRIANGLE, PATHS_OF_TWO)
    ]
    assert digests == ["ce6bd400cda8b18d7d8800191c47de0c", "f5fda9e7c181e750428d52dff3194ad7"]


def test_the_data_version_is_that_of_the_vertices(tmp_path):
    mask = OUTLINE.load(LATTICE)
    record = store_vertices(tmp_path, mask, "a" * 32)
    assert store_vertices(tmp_path, mask, "b" * 32).data_version == record.data_version
    moved = OUTLINE.load(Lattice(LATTICE.crs, (750000.0, 2610000.5), 500.0))
    assert store_vertices(tmp_path, moved, "c" * 32).data_version != record.data_version
    shifted = Paths(PATHS_OF_TWO.x + 1, PATHS_OF_TWO.y, PATHS_OF_TWO.starts)
    assert (
        store_vertices(tmp_path, shifted, "d" * 32).data_version
        != store_vertices(tmp_path, PATHS_OF_TWO, "e" * 32).data_version
    )


def test_a_stored_mask_covers_what_it_covered(tmp_path):
    mask = OUTLINE.load(LATTICE)
    loaded = load_vertices(store_vertices(tmp_path, mask, VERSION).path)
    np.testing.assert_array_equal(loaded.coverage(EXTENT), mask.coverage(EXTENT))
