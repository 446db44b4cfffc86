"""Neighbour pairs: symmetric, complete, and what libpysal reads."""

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from libpysal.weights import Rook, W

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.tessellation.contiguity import neighbours
from synthgrid_assets.tessellation.tessellate import tessellate
from synthgrid_assets_tests.tessellation.patterns import PATTERNS, pattern

TILE = Cells(-3, -2, 4, 3)


def directed(pairs):
    return dict(
        zip(
            zip(pairs.focal.tolist(), pairs.neighbor.tolist(), strict=True),
            pairs.length.tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize("name", PATTERNS)
def test_neighbours_are_mutual_with_the_same_bits(name):
    found = tessellate(pattern(name), TILE)
    pairs = neighbours(found)
    assert len(pairs) == found.n_neighbours.sum()
    lengths = directed(pairs)
    own = set(found.site_id.tolist())
    inner = {pair: length for pair, length in lengths.items() if pair[1] in own}
    assert inner
    assert all(lengths[b, a] == length for (a, b), length in inner.items())


@pytest.mark.parametrize("name", PATTERNS)
def test_tiles_add_up_to_the_whole_list(name):
    whole = directed(neighbours(tessellate(pattern(name), TILE)))
    parts = [Cells(-3, -2, 1, 3), Cells(1, -2, 4, 0), Cells(1, 0, 4, 3)]
    added = {}
    for cells in parts:
        more = directed(neighbours(tessellate(pattern(name), cells)))
        assert not added.keys() & more.keys()
        added |= more
    assert added == whole


@pytest.mark.parametrize("name", ["random", "lattice"])
def test_libpysal_reads_the_list_and_finds_the_same_rook_neighbours(name):
    found = tessellate(pattern(name), TILE)
    pairs = neighbours(found)
    own = np.isin(pairs.neighbor, found.site_id)
    rook = own & (pairs.length > 0)
    ours = W.from_adjlist(
        pd.DataFrame(
            {
                "focal": pairs.focal[rook],
                "neighbor": pairs.neighbor[rook],
                "weight": pairs.length[rook],
            }
        )
    )
    assert ours.asymmetry() == []
    polygons = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON,
        found.ring.astype(float),
        (found.ring_offsets, np.arange(len(found) + 1)),
    )
    theirs = Rook.from_dataframe(
        geopandas.GeoDataFrame(geometry=polygons, index=found.site_id), use_index=True
    )
    for site in found.site_id.tolist():
        assert set(ours.neighbors[site]) == set(theirs.neighbors[site])
