"""Make the public inputs of the Bahamas world from two published packages.

`outline.geojson` is the country's outline (Natural Earth, from npm `world-atlas`);
`greenness.tif` is a vegetation raster computed from a Landsat 7 scene over Andros and New
Providence (from PyPI `localtileserver`). Needs `npm` and `pip`, downloads about 36 MB and
checks both archives by SHA-256. See ATTRIBUTION.md for licences.

    python worlds/bahamas/make_inputs.py
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pyogrio
import rasterio
from rasterio.windows import Window

HERE = Path(__file__).parent
OUTLINE = (
    "world-atlas-2.0.2.tgz",
    "032e7765f2ce00edaeafec23ff22bc3b77e42987c257da944cc585b452c05b97",
    "package/countries-10m.json",
)
SCENE = (
    "localtileserver-1.0.0-py3-none-any.whl",
    "c2f3180f86193585052adce2999f9981178afb4d40cc35c3a4ebfa52e835af5d",
    "localtileserver/tiler/data/bahamas_rgb.tif",
)
CROP = Window(150, 100, 432, 592)  # Andros and New Providence: first column, row, width, height
SATURATION = 0.25  # index of a closed canopy in this scene; larger values are thin cloud edges


def download(folder: Path) -> None:
    """Both archives into `folder`, by package name and version."""
    npm = ["npm", "pack", "--silent", "world-atlas@2.0.2"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    pip += ["--only-binary=:all:", "localtileserver==1.0.0"]
    for command in (npm, pip):
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def extract(folder: Path, archive: str, sha256: str, member: str) -> Path:
    """The member's path, after the archive's digest has been checked."""
    path = folder / archive
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise SystemExit(f"{archive} has SHA-256 {found}, expected {sha256}")
    if archive.endswith(".whl"):
        with zipfile.ZipFile(path) as wheel:
            return Path(wheel.extract(member, folder))
    with tarfile.open(path) as package:
        package.extract(member, folder, filter="data")
    return folder / member


def write_outline(countries: Path) -> None:
    """The Bahamas' outline as RFC 7946 GeoJSON (degrees)."""
    frame = pyogrio.read_dataframe(countries, layer="countries")
    bahamas = frame[frame["name"] == "Bahamas"][["name", "geometry"]]
    bahamas = bahamas.set_crs("OGC:CRS84", allow_override=True)
    # two islands of the source touch themselves; a mask takes valid polygons only
    bahamas["geometry"] = bahamas.make_valid(method="structure", keep_collapsed=False)
    target = HERE / "outline.geojson"
    target.unlink(missing_ok=True)
    bahamas.to_file(target, driver="GeoJSON", engine="pyogrio", RFC7946="YES")


def write_greenness(scene: Path) -> None:
    """The green-blue difference index of the scene, 0 to 100, 255 where there is no scene.

    (green - blue) / (green + blue) is positive over vegetation, about 0 over cloud and
    negative over the shallow sea.
    """
    with rasterio.open(scene) as source:
        _, green, blue = source.read(window=CROP).astype(np.int32)
        profile = {
            "driver": "GTiff",
            "width": CROP.width,
            "height": CROP.height,
            "count": 1,
            "dtype": "uint8",
            "nodata": 255,
            "crs": source.crs,
            "transform": source.window_transform(CROP),
            "tiled": True,
            "blockxsize": 128,
            "blockysize": 128,
            "compress": "deflate",
            "predictor": 2,
            "zlevel": 9,
        }
    bright = green + blue
    index = (green - blue) / np.maximum(bright, 1)
    percent = np.rint(np.clip(index / SATURATION, 0, 1) * 100)
    with rasterio.open(HERE / "greenness.tif", "w", **profile) as target:
        target.write(np.where(bright > 0, percent, 255).astype(np.uint8), 1)


def main() -> None:
    """Download, check, write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        download(folder)
        write_outline(extract(folder, *OUTLINE))
        write_greenness(extract(folder, *SCENE))
    for path in sorted(HERE.glob("*.geojson")) + sorted(HERE.glob("*.tif")):
        print(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
