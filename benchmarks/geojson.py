"""Bodies of features: parsed to WKB, and made fit to land, against the usual ways.

    python benchmarks/geojson.py [--write] [--quick]

Collections of 50 MB (``--quick``: 5): multipolygons of 300 vertices with 7 and with 15 digits,
points with four properties. Figures are megabytes of text a second of processor time, the best
of three, in one process and one run, so that a busy machine changes them little. Each peer's
features are counted. "Landing" is parsing, repair of the invalid third and WKB again; its peer
does that with json and shapely feature by feature, as a webhook's worker would.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from report import write_section
from shapely.geometry import shape
from shapely.validation import make_valid

from synthgrid_assets.services.gateway.geojson import FeatureReader, warm_up
from synthgrid_assets.services.gateway.geometry import Normalizer


def multipolygon(r: np.random.Generator, k: int, digits: int, bad: bool) -> dict[str, Any]:
    angle = np.sort(r.uniform(0, 2 * np.pi, 300))
    size = r.uniform(0.01, 0.03, 300)
    centre = r.uniform(-40, 40, 2)
    xy = centre + size[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    if bad:
        xy[[10, 200]] = xy[[200, 10]]
    ring = np.round(np.vstack([xy, xy[:1]]), digits).tolist()
    geometry = {"type": "MultiPolygon", "coordinates": [[ring]]}
    properties = {"name": f"zone {k}", "area": 1.5}
    return {"type": "Feature", "id": k, "geometry": geometry, "properties": properties}


def point(r: np.random.Generator, k: int) -> dict[str, Any]:
    place = np.round(r.uniform(-80, 80, 2), 7).tolist()
    properties = {"id": f"d{k % 5000}", "t": 1700000000 + k, "spd": k % 40 + 0.5, "hdg": k % 360}
    geometry = {"type": "Point", "coordinates": place}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def body_of(make: Callable[[int], dict[str, Any]], size: int) -> bytes:
    """A collection of about so many bytes."""
    texts, total = [], 0
    while total < size:
        texts.append(json.dumps(make(len(texts)), separators=(",", ":")))
        total += len(texts[-1]) + 1
    return ('{"type":"FeatureCollection","features":[' + ",".join(texts) + "]}").encode()


def by_reader(body: bytes) -> int:
    return sum(len(batch) for batch in FeatureReader(io.BytesIO(body)))


def by_json(body: bytes) -> int:
    return len([shapely.to_wkb(shape(f["geometry"])) for f in json.loads(body)["features"]])


def by_geos(body: bytes) -> int:
    return int(shapely.get_num_geometries(shapely.from_geojson(body.decode())))


def by_gdal(body: bytes) -> int:
    import pyogrio

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "body.geojson"
        path.write_bytes(body)
        os.environ["OGR_GEOJSON_MAX_OBJ_SIZE"] = "0"
        return len(pyogrio.read_arrow(path)[1])


def by_ijson(body: bytes) -> int:
    import ijson

    found = ijson.items(io.BytesIO(body), "features.item", use_float=True)
    return len([shapely.to_wkb(shape(feature["geometry"])) for feature in found])


def land_reader(body: bytes) -> int:
    normalizer = Normalizer("OGC:CRS84")
    count = 0
    for batch in FeatureReader(io.BytesIO(body)):
        landed = normalizer(batch)
        count += len(shapely.to_wkb(landed.geometry))
    return count


def land_json(body: bytes) -> int:
    count = 0
    for feature in json.loads(body)["features"]:
        geometry = shape(feature["geometry"])
        if not geometry.is_valid:
            geometry = make_valid(geometry)
        count += bool(shapely.to_wkb(geometry)) and bool(json.dumps(feature["properties"]))
    return count


def rate(read: Callable[[bytes], int], body: bytes, expected: int) -> str:
    """Megabytes a second of processor time, best of three."""
    best = np.inf
    try:
        for _ in range(3):
            start = time.process_time()
            count = read(body)
            best = min(best, time.process_time() - start)
            assert count == expected, (read.__name__, count, expected)
    except ImportError as error:
        return f"not installed ({error.name})"
    return f"{len(body) / best / 1e6:.3g}"


PARSERS = {
    "this reader": by_reader,
    "json + shapely.shape": by_json,
    "shapely.from_geojson, whole": by_geos,
    "GDAL (pyogrio.read_arrow)": by_gdal,
    "ijson + shapely.shape": by_ijson,
}
LANDINGS = {"this reader and normalizer": land_reader, "json, shape, make_valid": land_json}


def table(title: str, readers: dict[str, Callable[[bytes], int]], bodies: dict[str, bytes]) -> str:
    lines = [f"| {title} | {' | '.join(bodies)} |", "| --- |" + " --- |" * len(bodies)]
    counts = {name: by_reader(body) for name, body in bodies.items()}
    for reader, read in readers.items():
        cells = [rate(read, body, counts[name]) for name, body in bodies.items()]
        lines.append(f"| {reader} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    size = 5_000_000 if options.quick else 50_000_000
    r = np.random.default_rng(1)
    warm_up()
    sound = {
        "polygons, 7 digits": body_of(lambda k: multipolygon(r, k, 7, False), size),
        "polygons, 15 digits": body_of(lambda k: multipolygon(r, k, 15, False), size),
        "points": body_of(lambda k: point(r, k), size),
    }
    mixed = {
        "polygons, a third invalid": body_of(lambda k: multipolygon(r, k, 7, k % 3 == 0), size),
        "points": sound["points"],
    }
    text = (
        f"Bodies of {size / 1e6:.0f} MB; megabytes a second of processor time. Load average "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.\n\n"
        + table("to WKB", PARSERS, sound)
        + "\n\n"
        + table("landing", LANDINGS, mixed)
    )
    print(text)
    if options.write:
        write_section("geojson", text)


if __name__ == "__main__":
    main()
