"""The page's steps, word for word, in a folder that has a tile, its proof and a public key."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from synthgrid_assets.audit.keys import find_key, public_pem
from synthgrid_assets.audit.reading import proof_of
from synthgrid_assets_tests.audit.logs import DATASET, TILES, committed, file_of
from synthgrid_assets_tests.test_docs import blocks

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()


@pytest.fixture
def folder(tmp_path):
    layout = committed(tmp_path / "data", TILES[:300])
    made = tmp_path / "elsewhere"
    made.mkdir()
    (made / "proof.json").write_text(proof_of(layout, layout.tile(DATASET, TILES[77])).to_json())
    (made / "key.pem").write_text(public_pem(find_key(layout.root).public))
    shutil.copy(file_of(layout, TILES[77]), made / "tile.parquet")
    shutil.copy(file_of(layout, TILES[78]), made / "other.parquet")
    (made / "path.py").write_text(blocks(PAGE, "python")[0])
    shutil.rmtree(layout.root)
    return made


def follow(folder):
    """Exit code of the page's commands, with no package of ours or others on the path."""
    script = "set -e\n" + "".join(blocks(PAGE, "sh"))
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    command = ["bash", "-c", script]
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PATH": path, "PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1"},
    )


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not there")
def test_the_pages_steps_verify_a_tile_and_refuse_another(folder):
    done = follow(folder)
    assert done.returncode == 0, done.stderr
    assert "tile.parquet: OK" in done.stdout
    assert "Signature Verified Successfully" in done.stdout
    shutil.copy(folder / "other.parquet", folder / "tile.parquet")
    assert follow(folder).returncode != 0


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not there")
@pytest.mark.parametrize(
    ("old", "new"), [('\\"worker\\":77', '\\"worker\\":78'), ("\\n302\\n", "\\n303\\n")]
)
def test_the_pages_steps_refuse_a_changed_proof(folder, old, new):
    text = (folder / "proof.json").read_text()
    assert old in text
    (folder / "proof.json").write_text(text.replace(old, new))
    assert follow(folder).returncode != 0


def test_the_script_is_as_short_as_the_page_says():
    assert len([line for line in blocks(PAGE, "python")[0].splitlines() if line.strip()]) <= 30
