"""Writes zones.geojson: 150 hexagons of 40 to 160 m that do not touch one another."""

import json
from pathlib import Path

import numpy as np
from pyproj import Transformer

rng = np.random.default_rng(16)
kept: list[tuple[float, float, float]] = []
while len(kept) < 150:
    x, y, r = *rng.uniform(200, 11_800, 2), rng.uniform(40, 160)
    if all((x - a) ** 2 + (y - b) ** 2 > (r + s + 5) ** 2 for a, b, s in kept):
        kept.append((x, y, r))
to_degrees = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
features = []
for number, (x, y, r) in enumerate(kept):
    turn = np.arange(6) * np.pi / 3 + rng.uniform(0, np.pi)
    lon, lat = to_degrees.transform(
        500_000 + x + r * np.cos(turn), 5_400_000 + y + r * np.sin(turn)
    )
    ring = np.column_stack((lon, lat)).round(8).tolist()
    geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    features.append({"type": "Feature", "properties": {"zone": number}, "geometry": geometry})
text = json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":"))
Path(__file__).with_name("zones.geojson").write_text(text)
