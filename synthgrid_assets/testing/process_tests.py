"""What any point process must pass: subclass `ProcessTests` in a test module, and say of what.

Belongs here: the contract of `processes.protocol`, from keys to a layer of a world. Not here:
tests of a law against another source.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.lattice.cells import CELL_BITS, Cells
from synthgrid_assets.lattice.pattern import canonical
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.materialize.run import TileMade, make_tiles
from synthgrid_assets.processes.family import Family
from synthgrid_assets.processes.protocol import Process
from synthgrid_assets.processes.registry import REGISTRY, process, register, unregister
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.validation import load_spec

CELL_METRES = 64.0
REPLICATES = 400
LIMIT = 5.5  # Student's t with 399 degrees of freedom: 7e-8 on both sides together


@contextmanager
def registered(family: Family) -> Iterator[None]:
    """The family as one of all families, while the block runs; known ones stay known."""
    if REGISTRY.get(family.name) == family:
        yield
        return
    register(family)
    try:
        yield
    finally:
        unregister(family)


class ProcessTests:
    """The contract of a family of processes, on one example of it.

    Attributes
    ----------
    family : Family
        What is tested.
    parameters : mapping
        Of the example, as in a world file; with a few points per cell of 64 m.
    """

    family: Family
    parameters: Mapping[str, object]

    @pytest.fixture(autouse=True)
    def _registered(self) -> Iterator[None]:
        with registered(self.family):
            yield

    def build(self, replicate: int = 0) -> Process:
        """The example under a key of its own; replicates are independent."""
        key = stream_key("contract", self.family.name, replicate)
        return self.family.build(process(self.family.name, self.parameters), key, CELL_METRES)

    def spec(self, folder: Path) -> WorldSpec:
        """A world of 2 x 2 tiles whose one layer has the process."""
        parameters = "\n".join(f"{key} = {_toml(value)}" for key, value in self.parameters.items())
        path = folder / "contract.toml"
        path.write_text(
            '[world]\nname = "contract"\nseed = "a contract"\ncrs = "EPSG:32633"\n'
            f"origin = [500000.0, 5400000.0]\ncell = {CELL_METRES}\n"
            "extent = [-4, 0, 12, 16]\ntile = 8\n\n"
            f'[layers.points]\nprocess = "{self.family.name}"\n{parameters}\n',
            encoding="utf-8",
        )
        return load_spec(path)

    def test_points_are_canonical_typed_and_inside(self) -> None:
        """In the order of cells and places, with ids of their own."""
        cells = Cells(-3, 5, 9, 12)
        pattern = self.build().points(cells)
        x, y, birth = pattern
        assert len(pattern) > 0
        assert [str(column.dtype) for column in pattern] == ["int64", "int64", "uint64"]
        column, row = x >> CELL_BITS, y >> CELL_BITS
        assert ((column >= cells.ix0) & (column < cells.ix1)).all()
        assert ((row >= cells.iy0) & (row < cells.iy1)).all()
        order = np.lexsort((birth, y, x, column, row))
        np.testing.assert_array_equal(order, np.arange(len(pattern)))
        assert np.unique(pattern.ids()).size == len(pattern)

    @pytest.mark.parametrize("corner", [(0, 0), (-(2**22), 977), (2**40, -(2**40))])
    @pytest.mark.parametrize("cuts", [(1, 5), (3, 4, 8)])
    def test_any_tiling_gives_the_same_points(
        self, corner: tuple[int, int], cuts: tuple[int, ...]
    ) -> None:
        """Whatever the rectangles, and in any order."""
        x0, y0, side = *corner, 10
        area = Cells(x0, y0, x0 + side, y0 + side)
        edges = [0, *cuts, side]
        pairs = list(pairwise(edges))
        tiles = [Cells(x0 + a, y0 + c, x0 + b, y0 + d) for c, d in pairs for a, b in pairs]
        parts = [self.build().points(tile) for tile in reversed(tiles)]
        x, y, birth = (np.concatenate([part[i] for part in parts]) for i in range(3))
        together = canonical(x, y, birth, area)
        for ours, whole in zip(together, self.build().points(area), strict=True):
            np.testing.assert_array_equal(ours, whole)

    def test_an_empty_rectangle_holds_no_points(self) -> None:
        """Also one that has a height."""
        assert len(self.build().points(Cells(3, 3, 3, 8))) == 0

    def test_other_keys_and_other_places_are_other_worlds(self) -> None:
        """No word of a point's birth is drawn twice."""
        birth = self.build().points(Cells(0, 0, 8, 8)).birth
        replicate = self.build(1).points(Cells(0, 0, 8, 8))
        elsewhere = self.build().points(Cells(8, 0, 16, 8))
        for other in (replicate, elsewhere):
            assert np.intersect1d(birth, other.birth).size == 0

    def test_counts_have_the_mean_and_variance_of_the_law(self) -> None:
        """Over replicates, where the law knows them; its own parts agree."""
        law, side = self.build().law, 3
        assert hash(law) == hash(self.build(1).law)
        if math.isnan(law.intensity):
            return
        cells = Cells(0, 0, side, side)
        counts = np.array([len(self.build(k).points(cells)) for k in range(REPLICATES)], float)
        mean = law.intensity * side**2
        assert abs(_t(counts, mean)) < LIMIT
        variance = law.count_variance(side, side)
        assert abs(_t((counts - mean) ** 2, variance)) < LIMIT
        lags = np.arange(-side, side + 1)
        pairs = np.outer(side - np.abs(lags), side - np.abs(lags))
        total = mean + float((law.cell_covariance(side) * pairs).sum())
        assert math.isclose(variance, total, rel_tol=1e-6, abs_tol=1e-9)

    def test_parameters_are_refused_by_name(self) -> None:
        """A parameter that is not known, and one that is no number."""
        name = next(iter(self.parameters))
        for wrong in ({**self.parameters, "no_such": 1.0}, {**self.parameters, name: None}):
            with pytest.raises(Exception, match="no_such|" + name):
                process(self.family.name, wrong)

    def test_the_family_travels_with_a_job(self) -> None:
        """By the names of its model and function; a worker's registry need not know it."""
        assert pickle.loads(pickle.dumps(self.family)) == self.family

    def test_a_layer_of_a_world_has_it(self, tmp_path: Path) -> None:
        """Made by a worker, tested, and committed."""
        context = open_layer(self.spec(tmp_path), "points", tmp_path / "data")
        tiles = list(context.spec.world.tiling)
        with Journal(context.layout) as journal, EngineSession(Settings(workers=1)) as session:
            made = list(make_tiles(session, journal, context, products_named("points"), tiles))
        whole = [one for one in made if isinstance(one, TileMade)]
        assert len(whole) == len(tiles), made
        verdicts = [verdict for one in whole for verdict in one.receipts[0].verdicts]
        assert all(verdict.passed for verdict in verdicts), verdicts


def _t(sample: np.ndarray[tuple[int, ...], np.dtype[np.float64]], expected: float) -> float:
    """Student's t of the mean of `sample`; 0 where it is exact and does not vary."""
    error = sample.std(ddof=1) / math.sqrt(sample.size)
    return float((sample.mean() - expected) / max(error, 1e-12))


def _toml(value: object) -> str:
    """A parameter as a world file has it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)
