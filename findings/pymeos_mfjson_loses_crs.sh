#!/usr/bin/env bash
# pymeos_mfjson_loses_crs: a metric track written as MF-JSON is read back as one without a CRS
#
# Versions: Python 3.11.7, pymeos 1.3.0, pymeos-cffi 1.3.0.
#
# A temporal point with SRID 32633 is written with as_mfjson() and read with from_mfjson(). The text has no "crs"
# member, though the object knows its SRID and the format has a place for it; only srs="EPSG:32633", given by the
# caller once more, writes it. What comes back has SRID 0, and comparing it with what was written raises. as_wkt()
# drops the SRID too, but there as_ewkt() stands beside it. A track in longitude and latitude comes back whole.
#
# Output seen:
#     written with SRID 32633, crs in the text: None, read back with SRID 0
#     compared: MeosInvalidArgValueError
#     with srs given: crs EPSG:32633, read back with SRID 32633
#     longitude and latitude: read back with SRID 4326
#
# Expected: OGC 19-045r3 (Moving Features JSON): where no "crs" member stands, coordinates are longitude and
# latitude in WGS 84. Coordinates in metres are not to be written without one.
#
# Why it matters: MF-JSON is how tracks are handed on between mobility tools. Every reader that follows the standard
# places the track outside the world, or wraps it into it, and lengths and speeds are computed in degrees.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pymeos==1.3.0 pymeos-cffi==1.3.0

venv/bin/python - <<'PY'
import json

from pymeos import TGeogPointSeq, TGeomPointSeq, pymeos_initialize

pymeos_initialize()
steps = "[POINT(500000 5400000)@2026-01-01 00:00:00+00, POINT(500010.5 5400000)@2026-01-01 00:00:10+00]"
track = TGeomPointSeq(f"SRID=32633;{steps}")

text = track.as_mfjson()
back = TGeomPointSeq.from_mfjson(text)
print(f"written with SRID {track.srid()}, crs in the text: {json.loads(text).get('crs')}, read back with SRID {back.srid()}")
assert (track.srid(), back.srid(), "crs" in json.loads(text)) == (32633, 0, False)
try:
    seen = track == back
except Exception as error:
    seen = type(error).__name__
print(f"compared: {seen}")
assert seen == "MeosInvalidArgValueError"

named = track.as_mfjson(srs="EPSG:32633")
back = TGeomPointSeq.from_mfjson(named)
print(f"with srs given: crs {json.loads(named)['crs']['properties']['name']}, read back with SRID {back.srid()}")
assert back.srid() == 32633

degrees = TGeogPointSeq("[POINT(10 50)@2026-01-01 00:00:00+00, POINT(10.1 50)@2026-01-01 00:00:10+00]")
back = TGeogPointSeq.from_mfjson(degrees.as_mfjson())
print(f"longitude and latitude: read back with SRID {back.srid()}")
assert back.srid() == 4326
PY
