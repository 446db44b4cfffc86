"""One world whatever the tiling, and the same bits everywhere: every process and composition.

A stored digest that changes means other rows for the same world: raise the version of the
algorithm that changed, and store the digest that the test prints.
"""

from __future__ import annotations

import hashlib
import json
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.inputs.kinds.registry import INPUT_TABLES
from synthgrid_assets.lattice.cells import CELL_BITS, CELL_LIMIT, Cells
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.preload import PRELOAD
from synthgrid_assets.materialize.run import TileMade, make_tiles
from synthgrid_assets.processes.marks.table import LAWS
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.points import POINTS, draw, points_digest
from synthgrid_assets.products.registry import PRODUCTS
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.storage.digest import add_digests, content_digest, digest_hex
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.processes.examples import CELL_METRES, PARAMETERS, PER_CELL
from synthgrid_assets_tests.without_numba import printed_without_numba
from synthgrid_assets_tests.world.every_composition import COMPOSED, SIDE, SURFACES, every_spec

MENAGERIE = Path(__file__).parents[2] / "worlds" / "menagerie.toml"
CORNERS = [(0, 0), (-3, 5), (CELL_LIMIT - SIDE, -CELL_LIMIT)]
INSIDE = (CELL_LIMIT - SIDE - 32, 32 - CELL_LIMIT)  # what a layer reads stays on the lattice
CUTS = [(4, 4), (7, 5), (1, 64)]  # 64 is no multiple of 7 or 5: uneven tiles
FEWER = {name: {"beta_per_km2": 2 * PER_CELL} for name in ("strauss", "hard_core")}  # slow ones
EVERYTHING = sorted(f"all_{name}" for name in REGISTRY)


def tiles(corner, columns, rows):
    """A 64 x 64-cell region cut into columns and rows, as even as whole cells allow."""
    ix, iy = corner
    xs = [ix + SIDE * i // columns for i in range(columns + 1)]
    ys = [iy + SIDE * j // rows for j in range(rows + 1)]
    return [Cells(a, c, b, d) for a, b in pairwise(xs) for c, d in pairwise(ys)]


def assert_one_digest(corner, digest_of):
    """`digest_of` a rectangle adds up to the same number on every tiling, in any order."""
    (region,) = tiles(corner, 1, 1)
    whole = digest_of(region)
    assert whole != 0
    for cut in CUTS:
        parts = tiles(corner, *cut)
        random.Random(f"{cut}").shuffle(parts)
        assert add_digests([digest_of(part) for part in parts]) == whole, cut


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_a_process_has_one_digest_on_every_tiling(name, corner):
    parameters = process(name, PARAMETERS[name] | FEWER.get(name, {}))
    sampler = REGISTRY[name].build(parameters, stream_key("tiling", name), CELL_METRES)

    def digest_of(cells):
        x, y, birth = sampler.points(cells)
        return content_digest("points", x >> CELL_BITS, y >> CELL_BITS, [x, y, birth.view("i8")])

    assert_one_digest(corner, digest_of)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("every")


@pytest.mark.parametrize(
    ("name", "corner"),
    [(name, corner) for name in COMPOSED for corner in (CORNERS[1], INSIDE)]
    + [(name, CORNERS[1]) for name in EVERYTHING],
)
def test_a_composed_layer_has_one_digest_on_every_tiling(folder, name, corner):
    context = open_layer(every_spec(folder, corner), name, folder)
    assert_one_digest(corner, lambda cells: points_digest(draw(context, cells)))


@pytest.mark.parametrize("corner", [CORNERS[1], INSIDE])
@pytest.mark.parametrize(
    ("layer", "name"), [("houses", "footprints"), ("houses", "parcels"), ("walkers", "tracks")]
)
def test_a_product_has_one_digest_on_every_tiling(folder, layer, name, corner):
    """Footprints are moved to streets, parcels cut where points are dense, devices go anywhere."""
    context = open_layer(every_spec(folder, corner), layer, folder)
    product = PRODUCTS[name]
    assert_one_digest(corner, lambda cells: product.rows(context, Tile(0, 0, cells, SIDE)).digest)


def test_every_kind_of_input_composition_and_mark_takes_part(folder):
    spec = every_spec(folder)
    # landed features are read as a vector file's are; private rows reach layers by a release alone
    elsewhere = {INPUT_TABLES["landed"], INPUT_TABLES["private"]}
    assert {type(table) for table in spec.inputs.values()} == {*INPUT_TABLES.values()} - elsewhere
    assert {*SURFACES} == {*spec.inputs_for("intensity")}
    layers = spec.layers.values()
    for key in ("within", "intensity", "near", "implicate", "join", "footprint", "tracks"):
        assert any(getattr(layer, key) for layer in layers), key
    assert {"union", "on_lines", *REGISTRY} == {layer.process for layer in layers}
    for name in EVERYTHING:
        laws = {type(law).__name__.lower() for law in spec.layers[name].marks.values()}
        # those of releases have their own, as they need a release
        assert laws == {law for law in LAWS if not law.startswith("released_")}


@pytest.mark.parametrize(("workers", "side"), [(1, 16), (2, 8), (7, 6)])
def test_any_number_of_workers_writes_the_same_digest_for_every_process(tmp_path, workers, side):
    spec = load_spec(MENAGERIE, {"world.tile": side, "world.extent": [0, 0, 16, 16]})
    cells, chosen = Cells(0, 0, 16, 16), list(spec.world.tiling)
    random.Random(workers).shuffle(chosen)
    with EngineSession(Settings(workers=workers), preload=PRELOAD) as session:
        for name in spec.layers:
            context = open_layer(spec, name, tmp_path)
            with Journal(context.layout) as journal:
                made = make_tiles(session, journal, context, (POINTS,), chosen)
                assert all(isinstance(outcome, TileMade) for outcome in made)
            expected = digest_hex(points_digest(draw(context, cells)))
            assert region_digest(spec, tmp_path, name, "points") == expected, name


def digests(folder: Path) -> dict[str, str]:
    """BLAKE2b-128 of each surface and each layer's points and marks on a few cells.

    Without the surface in degrees: its last bits are PROJ's.
    """
    spec = every_spec(folder)
    cells, found = Cells(20, 17, 23, 19), {}
    for name in [*COMPOSED, *EVERYTHING]:
        if name != "by_degrees":
            context = open_layer(spec, name, folder)
            found[name] = f"{points_digest(draw(context, cells)):064x}"[:32]
            for input_name, surface in context.inputs.surfaces.items():
                thresholds = surface.thresholds(Cells(-40, -40, 90, 90)).astype("<u4")
                summary = hashlib.blake2b(np.ascontiguousarray(thresholds), digest_size=16)
                found[input_name] = summary.hexdigest()
    return found


STORED = {
    "masked": "9fca08f3a228659bd58541387a1fd0bb",
    "by_half": "da345fca3de5fe377c9b930ceb435b81",
    "half": "cf751084537c79da9c2f22fc76d1afe3",
    "by_slope": "c2ddbe31bbe50b9f11b33b916e1202b2",
    "slope": "01aff5b263905323509313399f2bad7d",
    "by_town": "8bb037ce8b911213d3e057b21238b4c4",
    "town": "91410df5f3887002f5b52baaeb62d59c",
    "by_people": "e4daf2dfa393f1a544280d81a0e963e9",
    "people": "c62599c8a691fe28c867c2a9cecddc86",
    "by_array": "91f2883a6142a659e216edba99282474",
    "array": "1971bfe0064efeefb43cbf53a78bf32c",
    "stations": "00000000000000000000000000000000",
    "near_layer": "b1accef9b7bee90f0e481196308c8fb5",
    "near_vector": "8d16690750549450c087ea4bfc674613",
    "near_less": "c09155a323c9a0714127d9fabfd81a7d",
    "near_near": "53df37a8e7edab0c97114e74dd05038c",
    "on_lines": "68683a813503281fedf0c869a6da6989",
    "on_lines_clusters": "061a2f2959d4c4169d99d0eab09d0c35",
    "copy": "fca33712c5742436e9c4a7eff1663aa8",
    "houses": "84e0cd895114f80ff609b64d9da212c4",
    "in_houses": "8861e72adbed9b3f16ecc8a6e8fb83f2",
    "in_plots": "23f55d72a8c748614d96b106b47699d5",
    "near_houses": "1f3bf0046558839a6633fb6fb9f56c54",
    "near_plots": "49bf69eadbb60d9c62b39a58c633abf9",
    "joined": "c4bfd61ed39d5d9b2ac264f08c822e4c",
    "by_hill": "c0ee31ba01da715636e9c3c535b27984",
    "hill": "c8d6084fe1309f57503f6b7b93df405d",
    "by_valley": "ca81c60e2763d8ac7dbf3eed1eff96b0",
    "valley": "e12e6fec2980db16b9a18cfea8754d48",
    "walkers": "8a8acb609d0f24e3ab786df621140bee",
    "union": "8d2d75a104e8da27fcc2f5142eac64cb",
    "union_near": "3ec8d2aca7edafba6f12bc8f54dd76f6",
    "all_cascade": "6cd6c236583a09c83132578a05d98975",
    "all_grid": "f4e76fdbf5841a954b3fec0472d4907b",
    "all_hard_core": "224bc2746b1be2bdfa31ad7b057e3f69",
    "all_hierarchical_thomas": "b64fc481391adeb8f7021d13a3374775",
    "all_jittered": "614984c551ebb1ca1e43a4c71517bc07",
    "all_lgcp": "035ca226fe7b677589c31b854a16efa2",
    "all_matern_cluster": "3104660da221f48dd12ff3bb6b31e186",
    "all_matern_i": "45a830ad631d4fac7166846c10b2f89a",
    "all_matern_ii": "db41374a7486c5e61aeb1c1862bd0322",
    "all_poisson": "2a4ec160caa81a575bc80d9cb0e557cf",
    "all_sierpinski": "361ba4d15cf2854f1e3c6ce7edb8cec6",
    "all_strauss": "3e1f46f31193c591b6a51e1ea837b163",
    "all_thomas": "4b6f6f81f1145fb11c933b4eda19aa59",
}


@pytest.fixture(scope="module")
def drawn(folder):
    return digests(folder)


def test_what_is_drawn_is_what_is_stored(drawn):
    changed = {name: digest for name, digest in drawn.items() if STORED.get(name) != digest}
    assert changed == {}  # new or changed ones, to be stored
    assert drawn.keys() == STORED.keys()


def test_it_is_the_same_without_numba():
    code = (
        f"import json, pathlib, tempfile; from {__name__} import digests\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    print(json.dumps(digests(pathlib.Path(folder))))"
    )
    assert json.loads(printed_without_numba(code)) == STORED
