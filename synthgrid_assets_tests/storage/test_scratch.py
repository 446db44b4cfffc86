"""Parts: complete or absent, found out when damaged, kept while somebody claims their folder."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from synthgrid_assets.errors import StorageError
from synthgrid_assets.storage.commit import committing
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.storage.scratch import claimed, discard, read_part, save_part, sweep_leftovers

ARRAYS = {
    "x": np.arange(1000).reshape(-1, 2),
    "flag": np.array([True, False]),
    "none": np.empty((0, 6), np.int64),
    "length": np.array([0.1, -0.0, np.nan]),
}


def test_arrays_come_back_bit_for_bit(tmp_path):
    save_part(tmp_path / "a.npz", ARRAYS)
    found = read_part(tmp_path / "a.npz")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_part_that_is_not_there_is_none(tmp_path):
    assert read_part(tmp_path / "a.npz") is None


def test_any_damage_is_found_and_the_part_removed(tmp_path):
    path = tmp_path / "a.npz"
    save_part(path, {"x": ARRAYS["x"]})
    sound = path.read_bytes()
    rng = np.random.default_rng(1)
    begin = sound.index(ARRAYS["x"].tobytes())
    flips = begin + rng.choice(ARRAYS["x"].nbytes, 50, replace=False)
    damaged = [sound[:k] + bytes([sound[k] ^ 16]) + sound[k + 1 :] for k in flips.tolist()]
    damaged += [sound[:k] for k in (0, 1, 100, len(sound) // 2, len(sound) - 30)]
    damaged += [bytes(len(sound)), b"x" * len(sound)]
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(StorageError, match="trying again") as raised:
            read_part(path)
        assert raised.value.retryable
        assert not path.exists()


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        save_part(tmp_path / "file" / "a.npz", ARRAYS)
    with pytest.raises(ValueError, match="pickle"):
        save_part(tmp_path / "b.npz", {"x": np.array([object()])})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_is_removed_only_when_nobody_claims_it(tmp_path):
    folder, other = tmp_path / "parts", tmp_path / "other"
    other.mkdir()
    with claimed(folder):
        save_part(folder / "a.npz", ARRAYS)
        with claimed(folder):
            pass
        assert discard([folder, other]) == 1
        assert (folder / "a.npz").exists()
        assert not other.exists()
    assert discard([folder, other]) == 1
    assert not folder.exists()


def test_a_claim_ends_with_its_process_and_half_written_parts_are_swept(tmp_path):
    folder = tmp_path / "parts"
    program = f"""
import os, signal
from pathlib import Path
from synthgrid_assets.storage.commit import committing
from synthgrid_assets.storage.scratch import claimed
with claimed(Path({str(folder)!r})), committing(Path({str(folder / "a.npz")!r})) as file:
    file.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program], check=False)
    assert len(list(folder.iterdir())) == 1
    with claimed(folder):
        assert list(folder.iterdir()) == []
    assert discard([folder]) == 1


def test_a_folder_that_cannot_be_made_is_an_error_that_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot make"), claimed(tmp_path / "file" / "parts"):
        pass


def test_leftovers_of_every_kind_are_swept_and_no_live_one(tmp_path):
    """Of journal, index, moments, baseline and surfaces; a file that is being written stays."""
    layout, layer = Layout(tmp_path), tmp_path / "w" / "cafes"
    left = [
        tmp_path / ".journal.sqlite.abc.partial" / "journal.sqlite",
        layer / ".points-tile_index.parquet.abc.partial",
        layer / ".moments.parquet.abc.partial",
        layer / ".baseline-0123456789ab-w8-v2.parquet.abc.partial",
        tmp_path / "w" / "surface" / "land" / ".abc.zarr.abc.partial" / "threshold" / "zarr.json",
        tmp_path / "w" / "constraints" / "roads" / ".abc.parquet.abc.partial",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    with committing(layer / "live.parquet") as live:
        live.write_bytes(b"half")
        assert sweep_leftovers(layout, "w", "cafes") == len(left)
        assert live.exists()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["live.parquet"]
