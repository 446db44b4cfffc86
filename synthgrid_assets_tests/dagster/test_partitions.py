"""Tiles as partitions are Dagster's own two dimensions, whose keys are made once."""

import dagster as dg
import pytest
from dagster._core.definitions.partitions.snap import PartitionsSnap

from synthgrid_assets.dagster.partitions import tile_partitions
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tiling


@pytest.mark.parametrize(
    "tiling", [Tiling(Cells(-30, 7, 41, 100), 24), Tiling(Cells(0, 0, 1, 1), 8)]
)
def test_they_are_dagsters_own_dimensions(tiling):
    ours = tile_partitions(tiling)
    stock = dg.MultiPartitionsDefinition(
        {
            "y": dg.StaticPartitionsDefinition(tiling.y_keys),
            "x": dg.StaticPartitionsDefinition(tiling.x_keys),
        }
    )
    assert (ours, hash(ours)) == (stock, hash(stock))
    assert PartitionsSnap.from_def(ours) == PartitionsSnap.from_def(stock)
    keys = ours.get_partition_keys()
    assert keys == stock.get_partition_keys()
    assert [key.keys_by_dimension for key in keys] == [
        key.keys_by_dimension for key in stock.get_partition_keys()
    ]
    assert sorted(keys) == sorted(tile.key for tile in tiling)


def test_the_keys_of_a_world_are_made_once(monkeypatch):
    tiling = Tiling(Cells(0, 0, 64, 64), 8)
    made = []
    new = dg.MultiPartitionKey.__new__
    monkeypatch.setattr(
        dg.MultiPartitionKey, "__new__", lambda cls, keys: made.append(keys) or new(cls, keys)
    )
    for _ in range(3):  # an asset each, at a moment of its own
        assert len(tile_partitions(tiling).get_partition_keys()) == 64
    assert len(made) == 64
