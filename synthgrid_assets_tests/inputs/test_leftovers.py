"""What killed runs leave of inputs is swept by the next one; what live ones write is spared."""

import fcntl
import os

from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import make_input
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.inputs.broken_inputs import WORLD


def test_partial_stores_are_swept_unless_somebody_writes_them(tmp_path):
    path = tmp_path / "world.toml"
    path.write_text(WORLD.format(table="constant = 0.5", use='intensity = "it"'))
    spec, layout = load_spec(path), Layout(tmp_path / "data")
    folder = layout.surface("broken", "it") / "0123456789ab"
    for name in (".dead.zarr.1.partial", ".live.zarr.2.partial"):
        (folder / name / "threshold").mkdir(parents=True)
        (folder / name / "threshold" / "zarr.json").write_text("{}")
    held = os.open(folder / ".live.zarr.2.partial", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        assert make_input(spec, "it", layout).path.is_dir()
        assert [one.name for one in folder.iterdir()] == [".live.zarr.2.partial"]
    finally:
        os.close(held)
    make_input(spec, "it", layout)
    assert not list(folder.iterdir())
