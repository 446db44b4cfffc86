"""Ten million points over a thousand tiles in 2 GiB, and the same rows as on another tiling."""

from __future__ import annotations

import pytest

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.storage.digest import add_digests, digest_from_hex, digest_hex
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets_tests.large_world import (
    LAYER,
    POINTS,
    TESSELLATION,
    PeakResident,
    large_spec,
    make,
)

TILE = 32
PART = Cells(10 * TILE, 5 * TILE, 14 * TILE, 8 * TILE)
DENSITY = 10_000 / TILE**2  # a cell


def run_large(folder, columns, rows):
    """All products of columns x rows tiles of 10,000 points; points made and peak memory."""
    spec = large_spec(folder, [0, 0, columns * TILE, rows * TILE], TILE, 10_000)
    with (
        PeakResident() as peak,
        EngineSession(Settings(workers=2), preload=PRELOAD) as session,
    ):
        made = [make(session, spec, folder / "large", names) for names in (POINTS, TESSELLATION)]
        other = large_spec(folder, list(PART), 40, round(DENSITY * 40**2))
        for names in (POINTS, TESSELLATION):
            make(session, other, folder / "part", names)
    for name in (*POINTS, *TESSELLATION):
        assert of_part(spec, folder / "large", name) == region_digest(
            other, folder / "part", LAYER, name
        )
    assert [run.tiles for run in made] == [columns * rows] * 2
    assert made[0].rows == made[1].rows  # a Voronoi cell for each point
    return made[0].rows, peak.bytes


def of_part(spec, root, name):
    """Digest of the tiles that make up the part."""
    context = open_layer(spec, LAYER, root)
    with Journal(context.layout) as journal:
        receipts = list(journal.receipts(context.dataset(name)))
    inside = [r for r in receipts if PART.intersection(r.cells) == r.cells]
    assert sum(r.cells.area for r in inside) == PART.area
    return digest_hex(add_digests(digest_from_hex(r.digest) for r in inside))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_million_points_over_a_thousand_tiles_fit_into_two_gibibytes(tmp_path):
    points, peak = run_large(tmp_path, 40, 25)
    assert abs(points - 10**7) < 6 * 10**3.5  # six standard deviations of a Poisson count
    assert peak <= 2 * 2**30
