#!/usr/bin/env bash
# pynmea2_no_fix_is_null_island: a GNSS receiver without a fix is reported at 0 N, 0 E
#
# Versions: Python 3.11.7, pynmea2 1.19.0, pyais 3.3.1.
#
# Receivers send sentences with empty position fields until they have a fix: $GPGGA,...,,,,,0,...,
# $GNRMC,...,V,,,,. pynmea2 gives latitude 0.0 and longitude 0.0 for them, floats like those of a real fix;
# only the texts lat and lon are empty, and whether there is a fix has to be asked for (is_valid). pyais does
# the reverse: encode_dict of a position report without lon and lat sends 0, 0, where the standard has codes
# for "not available", and decoding the real codes gives the numbers 181 and 91.
#
# Output seen:
#     GPGGA,120000,,,,,0,00,,,M,,M,,    latitude 0.0, longitude 0.0, lat ''
#     GNRMC,120000,V,,,,,,,281126,,,N   latitude 0.0, longitude 0.0, lat ''
#     GPGLL,,,,,120000,V,N              latitude 0.0, longitude 0.0, lat ''
#     AIS without a position: lon 0.0, lat 0.0
#     AIS not available: lon 181.0, lat 91.0
#
# Expected: in NMEA 0183 an empty field means that the value is not available; ITU-R M.1371 (message 1) has
# 181 degrees and 91 degrees as "not available = default". None or NaN would be the value in Python; an
# omitted field should be sent as the default of the standard.
#
# Why it matters: tracks become trajectories, stays and densities. The first minutes of every device put a
# cluster into the Gulf of Guinea or at the pole, distances are thousands of kilometres too long, and bounding
# boxes of tiles cover a continent.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pynmea2==1.19.0 pyais==3.3.1

venv/bin/python -W ignore - <<'PY'
import functools
import operator

import pyais
import pynmea2


def parse(body):
    check = functools.reduce(operator.xor, body.encode())
    return pynmea2.parse(f"${body}*{check:02X}")


seen = []
for body in (
    "GPGGA,120000,,,,,0,00,,,M,,M,,",
    "GNRMC,120000,V,,,,,,,281126,,,N",
    "GPGLL,,,,,120000,V,N",
):
    message = parse(body)
    seen.append((message.latitude, message.longitude))
    print(f"{body:33} latitude {message.latitude}, longitude {message.longitude}, lat {message.lat!r}")
assert seen == [(0.0, 0.0)] * 3
report = {"type": 1, "mmsi": 211234567}
for name, given in (("without a position", {}), ("not available", {"lon": 181, "lat": 91})):
    message = pyais.decode(*pyais.encode_dict(report | given))
    seen.append((message.lon, message.lat))
    print(f"AIS {name}: lon {message.lon}, lat {message.lat}")
assert seen[3:] == [(0.0, 0.0), (181.0, 91.0)]
PY
