"""Stored networks: read a window at a time, exactly what was stored, by whoever reads Parquet."""

import os
import pickle
import time

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgrid_assets.errors import StorageError
from synthgrid_assets.inputs import network_store as networks
from synthgrid_assets.inputs.network_store import (
    StoredNetwork,
    find_network,
    network_digest,
    network_with,
    store_network,
)
from synthgrid_assets.inputs.sources import remembered
from synthgrid_assets.lattice.cells import CELL, Cells, Lattice
from synthgrid_assets.tessellation.constraints import (
    ConstraintNetwork,
    is_constraint_node,
)
from synthgrid_assets_tests.tessellation.networks import constraint_network

LATTICE = Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0)
VERSION = "0" * 32
FIELDS = ("x", "y", "node_id", "tail", "head", "id")


@pytest.fixture(scope="module")
def network() -> ConstraintNetwork:
    """Streets over 120 x 120 cells, some along cell borders and through cell corners."""
    rng = np.random.default_rng(5)
    lines = [
        [(int(x), int(y)) for x, y in np.cumsum(rng.normal(0, 2 * CELL, (9, 2)), axis=0) + start]
        for start in rng.uniform(-40 * CELL, 60 * CELL, (60, 2))
    ]
    lines += [[(5 * CELL, -60 * CELL), (5 * CELL, 60 * CELL)], [(0, 0), (30 * CELL, 30 * CELL)]]
    return constraint_network(lines, range(len(lines)))


@pytest.fixture(scope="module")
def stored(network, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "EDGES_PER_GROUP", 60)
        return store_network(tmp_path_factory.mktemp("roads"), network, LATTICE, VERSION)


def assert_same(found, wanted):
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)


def test_an_absent_or_foreign_file_is_named(tmp_path):
    for name, content in (("none.parquet", None), ("text.parquet", b"no network")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(StorageError, match=f"{name} holds no stored network"):
            StoredNetwork(tmp_path / name)


def test_a_damaged_page_is_not_read_as_streets(network, stored, tmp_path):
    path = tmp_path / stored.path.name
    data = bytearray(stored.path.read_bytes())
    column = pq.ParquetFile(stored.path).metadata.row_group(0).column(3)
    data[column.data_page_offset + column.total_compressed_size - 9] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(StorageError, match="is damaged"):
        StoredNetwork(path).within(Cells(-60, -60, 60, 60))


def test_the_record_states_the_facts_and_is_found_again(network, stored):
    assert (stored.nodes, stored.edges) == (network.x.size, network.id.size)
    assert stored.lines == np.unique(network.id).size
    folder = stored.path.parent
    assert find_network(folder, VERSION) == stored
    assert store_network(folder, network, LATTICE, VERSION) == stored
    assert find_network(folder, "1" * 32) is None
    assert network_with(folder, stored.data_version) == stored
    assert network_with(folder, "f" * 64) is None
    assert StoredNetwork(stored.path).verify()


def raise_error(*arguments):
    raise OSError("Input/output error")


def test_it_is_read_once_for_all_processes_until_a_byte_changes(network, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path))
    found, reads = [], []
    verify = StoredNetwork.verify
    monkeypatch.setattr(StoredNetwork, "verify", lambda self: reads.append(1) or verify(self))
    record = store_network(tmp_path / "roads", network, LATTICE, VERSION)
    time.sleep(0.15)  # a file that has just been written may change again unseen
    for _ in range(3):
        remembered._memories.clear()  # as another process begins
        found.append(find_network(tmp_path / "roads", VERSION))
    assert (found, len(reads)) == ([record] * 3, 1)
    remembered._memories.clear()
    with monkeypatch.context() as unreadable:  # for a moment, in one process
        for memory in (tmp_path / remembered.FOLDER).iterdir():
            memory.unlink()
        unreadable.setattr(StoredNetwork, "verify", raise_error)
        assert find_network(tmp_path / "roads", VERSION) is None
    remembered._memories.clear()
    assert find_network(tmp_path / "roads", VERSION) == record
    data = bytearray(record.path.read_bytes())
    times = record.path.stat()
    data[len(data) // 3] ^= 1
    record.path.write_bytes(data)
    os.utime(record.path, ns=(times.st_atime_ns, times.st_mtime_ns))  # size and time as before
    assert find_network(tmp_path / "roads", VERSION) is None


def test_the_data_version_is_that_of_the_edges_alone(tmp_path):
    cross = [[(0, 0), (8, 8)], [(0, 8), (8, 0)]]
    first = store_network(tmp_path, constraint_network(cross, [7, 9]), LATTICE, "a" * 32)
    turned = constraint_network([cross[1][::-1], cross[0]], [9, 7])
    assert store_network(tmp_path, turned, LATTICE, "b" * 32).data_version == first.data_version
    for lines, ids in ((cross, [7, 8]), (cross[:1], [7]), ([cross[0], [(0, 8), (8, 1)]], [7, 9])):
        assert network_digest(constraint_network(lines, ids)) != first.data_version


rectangles = st.tuples(
    st.integers(-70, 70), st.integers(-70, 70), st.integers(1, 40), st.integers(1, 40)
).map(lambda r: Cells(r[0], r[1], r[0] + r[2], r[1] + r[3]))


@settings(max_examples=150)
@given(rectangles)
def test_a_window_is_that_of_the_network_itself(network, stored, cells):
    assert_same(StoredNetwork(stored.path).within(cells), network.within(cells))


def test_windows_of_a_file_of_one_row_group_are_those_of_the_network_too(network, tmp_path):
    stored = store_network(tmp_path, network, LATTICE, VERSION)
    assert pq.ParquetFile(stored.path).metadata.num_row_groups == 1
    reader = StoredNetwork(stored.path)
    for west in range(-70, 70, 9):
        cells = Cells(west, -west, west + 20, 20 - west)
        assert_same(reader.within(cells), network.within(cells))


def test_a_travelled_reader_reads_the_same(network, stored):
    reader = pickle.loads(pickle.dumps(StoredNetwork(stored.path)))
    everything = Cells(-1000, -1000, 1000, 1000)
    assert_same(reader.within(everything), network)
    assert reader.within(Cells(500, 500, 510, 510)).id.size == 0


def test_a_window_reads_few_row_groups_and_keeps_a_bounded_number(stored, monkeypatch):
    reads = []
    read = StoredNetwork._read_group

    def counted(self, group):
        reads.append(group)
        return read(self, group)

    monkeypatch.setattr(StoredNetwork, "_read_group", counted)
    groups = pq.ParquetFile(stored.path).metadata.num_row_groups
    assert groups > networks.GROUPS_KEPT
    reader = StoredNetwork(stored.path)
    reader.within(Cells(0, 0, 8, 8))
    assert 0 < len(reads) < groups / 4
    first = len(reads)
    reader.within(Cells(0, 0, 8, 9))
    assert len(reads) <= first + 1  # a neighbouring window finds them there
    reader.within(Cells(-60, -60, 60, 60))
    assert reader._group.cache_info().currsize == networks.GROUPS_KEPT


def test_geopandas_reads_the_streets(network, stored):
    frame = geopandas.read_parquet(stored.path)
    assert frame.crs == "EPSG:32633"
    assert (frame.geom_type == "LineString").all()
    ends = np.stack((network.x, network.y), axis=1) * LATTICE.quantum + LATTICE.origin
    lengths = np.hypot(*(ends[network.tail] - ends[network.head]).T)
    assert frame.length.sum() == pytest.approx(lengths.sum(), rel=1e-9)
    assert is_constraint_node(frame[["tail", "head"]].to_numpy()).all()
    by_id = dict(zip(network.node_id.tolist(), ends.tolist(), strict=True))
    for row in frame.sample(50, random_state=1).itertuples():
        assert row.geometry.equals(shapely.LineString([by_id[row.tail], by_id[row.head]]))
    assert len(geopandas.read_parquet(stored.path, bbox=(500000, 5400000, 500300, 5400300))) < 99
