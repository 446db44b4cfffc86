"""`gpio check all`: what the makers of GeoParquet tools think of our files, without a net.

geoparquet-io needs another DuckDB than ours and its spatial extension, which it fetches from the
net; `make gpio` has both from the package registry, in an environment of their own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest

from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.reports.exports import export_asset
from synthgrid_assets.reports.indexes import index_rows
from synthgrid_assets.storage.tile_index import TileIndex
from synthgrid_assets_tests.reports.committed_world import NAMES, commit
from synthgrid_assets_tests.small_world import small_spec

BUILT = Path(__file__).parents[2] / ".venv-gpio"
MISSING = (
    "GPIO CHECKS ARE SKIPPED: there is no geoparquet-io with DuckDB's spatial extension; "
    "`make gpio` installs them (SYNTHGRID_TEST_GPIO names another environment made by it)"
)


class NoGpioWarning(UserWarning):
    """Files are not checked by geoparquet-io; stands in the summary of the tests."""


@pytest.fixture(scope="module")
def checked():
    """A function that has a file checked: the exit code and what was said."""
    place = Path(os.environ.get("SYNTHGRID_TEST_GPIO", BUILT))
    gpio = shutil.which(str(place / "bin" / "gpio"))
    if gpio is None:
        warnings.warn(NoGpioWarning(MISSING), stacklevel=2)
        pytest.skip(MISSING)
    environment = {**os.environ, "HOME": str(place / "home"), "COLUMNS": "400"}
    environment.pop("PYTHONPATH", None)  # its packages are not ours

    def check(file):
        found = subprocess.run(
            [gpio, "check", "all", str(file)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return found.returncode, found.stdout + found.stderr

    return check


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A tile of each product, the manifest and an export."""
    folder = tmp_path_factory.mktemp("gpio")
    spec = small_spec(folder, tile=24)
    context = commit(open_layer(spec, "cafes", folder / "data"), NAMES)
    index_rows(context)
    layout, found = context.layout, {"export": folder / "cafes.parquet"}
    for name in NAMES:
        index = TileIndex(layout.store, layout.tile_index("small", "cafes", name))
        found[name] = layout.store.address(index.files()[0].file)
        found["tile index"] = index.address
    export_asset(spec, folder / "data", "cafes", "voronoi", found["export"])
    return found


@pytest.mark.parametrize("name", ["points", "delaunay", "voronoi", "tile index", "export"])
def test_a_file_passes_every_check(checked, files, name):
    code, said = checked(files[name])
    assert code == 0, said
    assert re.search(r"Spec Validation:\s+✓ \d+ checks passed", said), said
    for bad in ("✗", "⚠", "ERROR", "WARNING"):
        assert bad not in said, said


def test_a_damaged_file_does_not_pass(checked, files, tmp_path):
    data = bytearray(Path(files["points"]).read_bytes())
    at = data.index(b'"encoding":"WKB"')
    data[at : at + 16] = b'"encoding":"WKX"'
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(bytes(data))
    assert checked(broken)[0] == 1
