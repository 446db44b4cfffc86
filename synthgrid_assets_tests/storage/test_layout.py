"""Layout: no name leaves the data root, and no two files share a path."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.tiling import Tiling
from synthgrid_assets.storage.layout import Dataset, Layout
from synthgrid_assets_tests.storage.made_region import REALISATION, dataset

ROOT = Path("/data")


@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "/etc", "a\\b", "a\n", "-x", ".x", "a\0"])
@pytest.mark.parametrize("what", ["world", "layer", "asset"])
def test_a_name_that_is_no_folder_is_refused_by_its_role(what, bad):
    names = {"world": "w", "layer": "l", "asset": "a", what: bad}
    with pytest.raises(SpecError, match=f"{what} name"):
        Dataset(**names, realisation=REALISATION, side=8)


@pytest.mark.parametrize("bad", ["", "0123", "0123456789aB", "../../../../../..", "0123456789ab\n"])
def test_a_realisation_that_is_not_hex_is_refused(bad):
    with pytest.raises(SpecError, match="realisation"):
        Dataset("w", "l", "a", bad, 8)


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_name_is_refused_or_is_one_path_component(layer, surface):
    for make in (
        lambda: Layout(ROOT).folder(Dataset("w", layer, "points", REALISATION, 8)),
        lambda: Layout(ROOT).tile_index("w", layer, surface),
        lambda: Layout(ROOT).surface("w", surface),
    ):
        try:
            path = make()
        except SpecError:
            continue
        path = ROOT / path
        assert path.resolve().is_relative_to(ROOT / "w")
        assert len(path.relative_to(ROOT).parts) in {3, 4}


def test_every_tile_of_every_side_has_its_own_file():
    layout, extent = Layout(ROOT), Cells(-9, -9, 17, 17)
    files = [layout.tile(dataset(side), tile) for side in (4, 8) for tile in Tiling(extent, side)]
    assert len(set(files)) == len(files)
    assert layout.density(dataset(8, "density"), extent) != layout.density(
        dataset(8, "density"), extent.grown(1)
    )
