"""A rectangle of tiles is named by places, by keys or by a box; nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.errors import SpecError
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.tile_selection import tiles_in

SPEC = WorldSpec.model_validate(
    {
        "world": {
            "name": "selected",
            "seed": "s",
            "crs": "EPSG:32633",
            "origin": [500_000.0, 5_400_000.0],
            "cell": 64.0,
            "extent": [-20, 0, 70, 50],
            "tile": 10,
        },
        "layers": {"trees": {"process": "poisson", "points_per_km2": 5.0}},
    }
)
TILING = SPEC.world.tiling
PLACES = st.tuples(st.integers(0, 8), st.integers(0, 4))


@given(PLACES, PLACES)
def test_two_keys_name_what_the_range_between_them_names(one, other):
    (x0, x1), (y0, y1) = (sorted(pair) for pair in zip(one, other, strict=True))
    keys = [TILING.at(TILING.columns[x], TILING.rows[y]).key for x, y in (one, other)]
    by_range = tiles_in(SPEC, f"{x0}:{x1 + 1},{y0}:{y1 + 1}")
    assert tiles_in(SPEC, "...".join(keys)) == by_range
    assert len(by_range) == (x1 - x0 + 1) * (y1 - y0 + 1)


def test_one_key_names_its_tile_and_every_tile_has_one():
    for tile in TILING:
        assert tiles_in(SPEC, tile.key) == [tile]


@pytest.mark.parametrize(
    "tiles",
    [
        "+0000000_24|+0000000_24",  # of another tile side
        "+0000090_10|+0000000_10",  # outside
        "+0000000_10|+0000000_10...+0000010_10|+0000000_10...+0000020_10|+0000000_10",
        "+0000000_10|",
        "|",
        "0:0,0:1",
        "0:1",
        "288_24",
    ],
)
def test_what_names_no_rectangle_is_refused_with_what_would(tiles):
    with pytest.raises(SpecError, match=r"\+0|0 <= X0|outside the world|KEY|tile side"):
        tiles_in(SPEC, tiles)
