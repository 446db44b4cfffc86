#!/usr/bin/env bash
# pymodes_longitude_beyond_180: over Fiji, an aircraft is at longitude -179.85 or at 180.15, by the way it is decoded
#
# Versions: Python 3.11.7, pyModeS 3.6.1.
#
# ADS-B sends a position in a compact form that is resolved either by a pair of messages or by one message and a
# reference, such as the place of the receiver. If aircraft and receiver are on two sides of the antimeridian, decode()
# with a reference returns longitudes beyond 180 or below -180; from a pair of the same messages they are within.
#
# Output seen (true longitude, decoded from a pair, decoded with a reference on the other side and on the same):
#      -179.85  pair  -179.85  reference  179.90:   180.15  -179.50:  -179.85
#       179.90  pair   179.90  reference -179.90:  -180.10   179.50:   179.90
#       179.20  pair   179.20  reference -179.90:  -180.80   179.50:   179.20
#       177.40  pair   177.40  reference  178.00:   177.40   177.00:   177.40
#
# Expected: the same longitude from the same message, from -180 to 180, as the pair gives it and as longitudes are
# written in GPX (its schema has this range) and in other formats of tracks.
#
# Known: pull request 48 (merged) is about surface positions in the west. The antimeridian was not found.
#
# Why it matters: a receiver near 180 degrees uses both ways, the reference for single messages. The track has points
# 360 degrees apart, boxes and tiles of the far side do not find them, and databases refuse or wrap them.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pyModeS==3.6.1

venv/bin/python -W ignore - <<'PY'
import math

from pyModeS import decode


def zones(lat):
    ratio = (1 - math.cos(math.pi / 30)) / math.cos(math.radians(lat)) ** 2
    return math.floor(2 * math.pi / math.acos(1 - ratio))


def compact(lat, lon, odd):  # airborne position, compact position reporting with 17 bits
    height = 360 / (60 - odd)
    y = math.floor(2**17 * (lat % height) / height + 0.5)
    width = 360 / max(zones(height * (y / 2**17 + math.floor(lat / height))) - odd, 1)
    x = math.floor(2**17 * (lon % width) / width + 0.5)
    bits = f"{11:05b}000{0b110000111000:012b}0{odd}{y % 2**17:017b}{x % 2**17:017b}"
    return f"{int(bits, 2):014X}"


def message(payload):  # with the parity of 24 bits
    text = "8D40621D" + payload
    rest = int(text + "000000", 16)
    for bit in range(111, 23, -1):
        if rest >> bit & 1:
            rest ^= 0x1FFF409 << (bit - 24)
    return f"{text}{rest:06X}"


outside = []
for lon, other, same in ((-179.85, 179.9, -179.5), (179.9, -179.9, 179.5), (179.2, -179.9, 179.5), (177.4, 178, 177)):
    payloads = [compact(-17.7, lon, odd) for odd in (0, 1)]
    pair = decode([message(payload) for payload in payloads], timestamps=[0.0, 1.0])[1]["longitude"]
    found = [
        decode(payload=payloads[1], df=17, icao="40621D", reference=(-17.5, ref))["longitude"] for ref in (other, same)
    ]
    print(f"{lon:8.2f}  pair {pair:8.2f}  reference {other:7.2f}: {found[0]:8.2f}  {same:7.2f}: {found[1]:8.2f}")
    assert abs(pair - lon) < 0.01 and abs(found[1] - lon) < 0.01
    outside.append(abs(found[0]) > 180)
assert outside == [True, True, True, False]
PY
