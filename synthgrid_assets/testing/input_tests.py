"""What every kind of input promises, as tests that a new one inherits.

Belongs here: laws that hold for any input. Not here: what one kind reads and refuses (the tests
beside it).

Subclass `InputTests` in a test module, give two tables, and pytest runs the rest::

    class TestStripes(InputTests):
        key, use = "stripes", "intensity"

        def tables(self, folder):
            return {"stripes": 64.0}, {"stripes": 32.0}
"""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.kinds.input import UNMADE, Input, Place, Record, Use
from synthgrid_assets.inputs.kinds.registry import INPUT_TABLES, table_of
from synthgrid_assets.lattice.cells import CELL, Cells, Lattice
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import input_of, make_input, missing_inputs, stored_versions
from synthgrid_assets.world.spec import WorldSpec
from synthgrid_assets.world.validation import check_world, load_spec

PLACE = Place(Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0), Cells(0, 0, 16, 16))
_WORLD: dict[str, Any] = {
    "name": "contract",
    "seed": "s",
    "crs": PLACE.lattice.crs,
    "origin": list(PLACE.lattice.origin),
    "cell": PLACE.lattice.cell,
    "extent": list(PLACE.extent),
    "tile": 8,
}


class InputTests(ABC):
    """The contract of an input's table and of what is made of it.

    Attributes
    ----------
    key : str
        The key by which the registry knows the table.
    use : str
        A layer's key that may name such an input.
    flips : int
        How many bits of what is stored are flipped, one after the other.
    """

    key: ClassVar[str]
    use: ClassVar[Use]
    flips: ClassVar[int] = 12  # bits that are flipped in what is stored, one after the other

    @abstractmethod
    def tables(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """Two tables of this kind for `PLACE`, with other content; files go to `folder`."""

    def opened(self, folder: Path, table: dict[str, Any]) -> Input:
        """The input of a table, placed on the contract's world."""
        spec = _spec(folder, table, self.use)
        return input_of(spec, spec.made_inputs[0])

    def test_the_registry_knows_it(self, tmp_path: Path) -> None:
        """By exactly one key, also where a world file comes back from JSON."""
        one, _ = self.tables(tmp_path)
        table = table_of(one)
        assert type(table) is INPUT_TABLES[self.key]
        assert self.use in table.uses
        spec = _spec(tmp_path, one, self.use)
        text = spec.model_dump_json(exclude_defaults=True)
        assert WorldSpec.model_validate_json(text) == spec

    def test_an_unknown_key_is_refused_with_those_there_are(self, tmp_path: Path) -> None:
        """Mistakes in its table are told by key path, as everywhere."""
        one, _ = self.tables(tmp_path)
        path = tmp_path / "wrong.toml"
        path.write_text(_toml({**one, "colour": "red"}))
        _, problems = check_world(path)
        assert any(p.path == "inputs.it.colour" and self.key in p.message for p in problems)

    def test_versions_follow_the_content(self, tmp_path: Path) -> None:
        """The same table has one version; another content another one."""
        one, other = self.tables(tmp_path)
        versions = [self.opened(tmp_path, table).code_version for table in (one, one, other)]
        assert versions[0] == versions[1] != versions[2]

    def test_it_is_made_once_and_found(self, tmp_path: Path) -> None:
        """Absent, then made, then found as it was made."""
        one, other = self.tables(tmp_path)
        first, second = self.opened(tmp_path, one), self.opened(tmp_path, other)
        assert first.find(tmp_path / "kept") is None
        made = first.make(tmp_path / "kept")
        assert first.find(tmp_path / "kept") == first.make(tmp_path / "kept") == made
        assert second.find(tmp_path / "kept") is None
        assert second.make(tmp_path / "kept").data_version != made.data_version
        assert first.find(tmp_path / "kept") == made  # the other one replaced nothing
        assert made.facts
        assert all(isinstance(value, int | float | str) for value in made.facts.values())

    def test_stored_or_not_layers_read_the_same(self, tmp_path: Path) -> None:
        """Before it is made it is read from its source, afterwards from its store."""
        one, other = self.tables(tmp_path)
        found = self.opened(tmp_path, one)
        before = read(found, found.open(tmp_path / "kept", f"{UNMADE}{found.code_version}"))
        made = found.make(tmp_path / "kept")
        assert read(found, found.open(tmp_path / "kept", made.data_version)) == before
        changed = self.opened(tmp_path, other)
        version = changed.make(tmp_path / "kept").data_version
        assert read(changed, changed.open(tmp_path / "kept", version)) != before

    def test_what_layers_read_travels_to_workers(self, tmp_path: Path) -> None:
        """Pickled and back it is the same."""
        one, _ = self.tables(tmp_path)
        found = self.opened(tmp_path, one)
        opened = found.open(tmp_path / "kept", found.make(tmp_path / "kept").data_version)
        assert read(found, pickle.loads(pickle.dumps(opened))) == read(found, opened)

    def test_a_damaged_store_is_made_again(self, tmp_path: Path) -> None:
        """One flipped bit of the largest file: never taken for what it was."""
        one, _ = self.tables(tmp_path)
        found = self.opened(tmp_path, one)
        made = found.make(tmp_path / "kept")
        whole = read(found, found.open(tmp_path / "kept", made.data_version))
        flip_bit(largest_file(made))
        repaired = found.make(tmp_path / "kept")
        assert repaired.data_version == made.data_version
        assert read(found, found.open(tmp_path / "kept", made.data_version)) == whole

    def test_any_flipped_bit_changes_nothing_that_is_read(self, tmp_path: Path) -> None:
        """In random places of all files: layers read what they did, and the next run mends it."""
        one, _ = self.tables(tmp_path)
        found = self.opened(tmp_path, one)
        made = found.make(tmp_path / "kept")
        whole = read(found, found.open(tmp_path / "kept", made.data_version))
        rng = np.random.default_rng(17)
        for _ in range(self.flips):
            files = [path for path in made.path.rglob("*") if path.is_file()] or [made.path]
            path = files[rng.integers(len(files))]
            flip_bit(path, int(rng.integers(8 * path.stat().st_size)))
            known = found.find(tmp_path / "kept")
            assert known in (None, made), path
            version = UNMADE if known is None and found.room == "networks" else made.data_version
            assert read(found, found.open(tmp_path / "kept", version)) == whole, path
            assert found.make(tmp_path / "kept") == made

    def test_a_world_knows_it(self, tmp_path: Path) -> None:
        """Through the world file: missing, made, and known by its data version."""
        one, _ = self.tables(tmp_path)
        spec, layout = _spec(tmp_path, one, self.use), Layout(tmp_path / "data")
        name = spec.made_inputs[0]
        assert missing_inputs(spec, layout, [name]) == [name]
        made = make_input(spec, name, layout)
        assert not missing_inputs(spec, layout, [name])
        assert stored_versions(spec, layout) == {name: made.data_version}

    def test_a_layer_cannot_name_it_for_another_use(self, tmp_path: Path) -> None:
        """A surface is no mask, and the other way round."""
        one, _ = self.tables(tmp_path)
        wrong: Use = "within" if self.use == "intensity" else "intensity"
        with pytest.raises(SpecError, match="'it' is not a"):
            _spec(tmp_path, one, wrong)


def read(found: Input, opened: Any) -> bytes:
    """What layers read of an open input on the contract's extent, as bytes."""
    extent = PLACE.extent
    if found.room == "surfaces":
        arrays = [opened.thresholds(extent)]
    elif found.room == "networks":
        network = opened(extent)
        arrays = [network.x, network.y, network.node_id, network.tail, network.head, network.id]
    elif found.room == "masks":
        step = np.arange(0, 16 * CELL, CELL // 3)
        x, y = (axis.ravel() for axis in np.meshgrid(step, step))
        arrays = [opened.contains(x, y), opened.coverage(extent)]
    else:
        arrays = [opened.x, opened.y, opened.starts]
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


def largest_file(record: Record) -> Path:
    """The file with most of what is stored: chunks of arrays, never their metadata."""
    files = [path for path in record.path.rglob("*") if path.is_file()] or [record.path]
    data = [path for path in files if path.name != "zarr.json" and "threshold" in path.parts]
    return max(data or files, key=lambda path: path.stat().st_size)


def flip_bit(path: Path, bit: int | None = None) -> None:
    """Damage a file in one bit, by default one in its middle; its size stays."""
    data = bytearray(path.read_bytes())
    at = 4 * len(data) if bit is None else bit
    data[at // 8] ^= 1 << at % 8
    path.write_bytes(bytes(data))


def _toml(table: dict[str, Any], use: str = "") -> str:
    named = {
        "intensity": 'intensity = "it"',
        "within": 'within = "it"',
        "near": 'near = { input = "it", within = 100 }',
        "constraints": 'tessellation = { constraints = "it", anchors = 8 }',
    }
    parts = ["[world]", *(f"{key} = {_value(value)}" for key, value in _WORLD.items())]
    parts += ["[inputs.it]", *(f"{key} = {_value(value)}" for key, value in table.items())]
    parts += ["[layers.points]", 'process = "poisson"', "points_per_km2 = 100.0"]
    return "\n".join([*parts, named.get(use, "")])


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return f"'{value}'" if isinstance(value, str | Path) else str(value).lower()


def _spec(folder: Path, table: dict[str, Any], use: Use) -> WorldSpec:
    path = folder / "contract.toml"
    path.write_text(_toml(table, use))
    return load_spec(path)
