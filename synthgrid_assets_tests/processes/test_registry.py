"""The registry: every fault of a layer's parameters is named, every family keeps its contract."""

import re
import tomllib
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from synthgrid_assets.errors import SpecError
from synthgrid_assets.lattice.cells import CELL
from synthgrid_assets.lattice.seeding import stream_key
from synthgrid_assets.processes.family import exact, per_cell, quanta
from synthgrid_assets.processes.protocol import Law, Process
from synthgrid_assets.processes.registry import REGISTRY, process
from synthgrid_assets_tests.processes.examples import CELL_METRES, PARAMETERS, example

PROJECT = Path(__file__).parents[2]
THOMAS = {"parents_per_km2": 4.0, "mean_offspring": 12.0, "sigma": 40.0}
EVERY = sorted(REGISTRY)


def test_an_unknown_process_is_refused_with_the_nearest_name():
    with pytest.raises(SpecError, match=r"'tomas' is not known, did you mean 'thomas'\?.*poisson"):
        process("tomas", THOMAS)


def test_an_unknown_parameter_is_refused_with_the_nearest_name():
    with pytest.raises(SpecError, match="'sigmas' is not known, did you mean 'sigma'"):
        process("thomas", {**THOMAS, "sigmas": 3.0})


def test_every_fault_is_named_at_once():
    with pytest.raises(SpecError) as caught:
        process("thomas", {"parents_per_km2": -1.0, "sigma": "wide"})
    for fault in [r"'parents_per_km2' = -1.0", r"'sigma' = 'wide'", r"'mean_offspring' is missing"]:
        assert re.search(fault, str(caught.value))


@pytest.mark.parametrize("bad", [0.0, -2.0, float("nan"), float("inf"), True, "4", None, [4.0]])
def test_a_parameter_that_is_not_a_positive_number_is_refused(bad):
    with pytest.raises(SpecError, match="'parents_per_km2'"):
        process("thomas", {**THOMAS, "parents_per_km2": bad})


def test_whole_numbers_are_numbers():
    assert process("poisson", {"points_per_km2": 3}).points_per_km2 == 3.0


@pytest.mark.parametrize(
    ("name", "parameters", "found"),
    [
        ("poisson", {"points_per_km2": 2e7}, "points_per_km2"),
        ("thomas", {**THOMAS, "mean_offspring": 1e5}, "mean_offspring"),
        ("thomas", {**THOMAS, "parents_per_km2": 1e8}, "parents_per_km2"),
        ("thomas", {**THOMAS, "parents_per_km2": 1e6, "mean_offspring": 1e4}, r"\* mean_offspring"),
        ("thomas", {**THOMAS, "sigma": 1e-6}, "sigma = 1e-06 m is shorter"),
        ("thomas", {**THOMAS, "sigma": 1e6}, "sigma = 1000000.0 m is longer"),
    ],
)
def test_what_the_lattice_cannot_hold_is_refused_by_name(name, parameters, found):
    with pytest.raises(SpecError, match=f"{name}: .*{found}.*use a (smaller|larger) `world.cell`"):
        REGISTRY[name].build(process(name, parameters), stream_key("x"), CELL_METRES)


def test_the_registry_cannot_be_changed_by_accident():
    with pytest.raises(TypeError):
        REGISTRY["poisson"] = REGISTRY["thomas"]  # type: ignore[index]
    with pytest.raises(ValidationError, match="frozen"):
        process("thomas", THOMAS).sigma = 1.0


@pytest.mark.parametrize("name", EVERY)
def test_every_family_keeps_the_protocol(name):
    family = REGISTRY[name]
    assert family.name == name
    assert family.version >= 1
    assert all(field.description for field in family.parameters.model_fields.values())
    built = example(name)
    assert isinstance(built, Process)
    assert isinstance(built.law, Law)
    assert built.reach >= 0


def test_every_family_has_an_example_and_a_layer_in_the_menagerie():
    assert sorted(PARAMETERS) == EVERY
    menagerie = tomllib.loads((PROJECT / "worlds" / "menagerie.toml").read_text())
    assert sorted(layer["process"] for layer in menagerie["layers"].values()) == EVERY


@pytest.mark.parametrize("name", EVERY)
def test_every_family_and_its_parameters_stand_in_the_guide(name):
    guide = (PROJECT / "docs" / "world-file.md").read_text()
    (row,) = [line for line in guide.splitlines() if line.startswith("|") and f"`{name}`" in line]
    for parameter in REGISTRY[name].parameters.model_fields:
        assert re.search(rf"`{parameter}\b", row), parameter


@given(st.integers(1, 10**9), st.integers(1, 10**4), st.integers(-6, 3))
def test_conversions_read_floats_as_their_decimals(number, cell, power):
    decimal = Fraction(number) * Fraction(10) ** power
    value = float(f"{number}e{power}")
    assert exact(value) == decimal
    assert per_cell(value, float(cell)) == decimal * cell**2 / 10**6


@given(st.integers(1, 10**8))
def test_lengths_become_the_nearest_quanta(length):
    metres = length / 1e4
    if Fraction(1, 2) < exact(metres) / 64 * CELL and metres < 64 * 256:
        assert abs(quanta("p", "l", metres, 64.0) - exact(metres) / 64 * CELL) <= Fraction(1, 2)
