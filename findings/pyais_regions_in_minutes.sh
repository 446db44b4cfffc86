#!/usr/bin/env bash
# pyais_regions_in_minutes: a reference station in the Gulf of Guinea is read at longitude 26134.4
#
# Versions: Python 3.11.7, pyais 3.3.1, libais 0.17.
#
# The longitudes and latitudes of AIS messages 17 (corrections for GNSS), 22 (channel management) and 23 (group
# assignment) are sent in tenths of a minute. pyais divides them by ten and gives minutes, in fields of the same names
# (lon, lat, ne_lon, ...) and types as the degrees of all other messages; message 27, which is sent in tenths of a
# minute as well, is given in degrees. In message 17 they are read without a sign too, so that all places in the
# west or south have numbers that are no minutes either.
#
# Output seen (messages made bit by bit; the second number is the one of libais):
#     message 17 lon    pyais 26134.4000  libais  -1.3333
#     message 17 lat    pyais   315.0000  libais   5.2500
#     message 22 sw_lon pyais   -80.0000  libais  -1.3333
#     message 23 sw_lon pyais   -80.0000  libais  -1.3333
#     message 27 lon    pyais    -1.3333  libais  -1.3333
#
# Expected: ITU-R M.1371-5 defines the fields of message 17 as 1/10 minute with a sign (+-180 and +-90 degrees, in two's
# complement for the west and the south); libais, an independent decoder, gives degrees for all five.
#
# Known: in pull request 57 (merged) a reviewer asked whether the corners of message 22 should be converted as other
# longitudes are; the answer names the unit of the message. The missing sign was not found.
#
# Why it matters: message 22 tells ships the rectangle in which they change channels, and 17 where the station for their
# corrections stands. Put on a map with the positions of the same log, they are off the earth, or, for regions near
# (0, 0), at a place that looks possible.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pyais==3.3.1 libais==0.17

venv/bin/python - <<'PY'
import functools
import operator

import ais
import pyais


def payload(*fields):
    bits = "".join(format(value & ((1 << width) - 1), f"0{width}b") for width, value in fields)
    fill = -len(bits) % 6
    bits += "0" * fill
    codes = [int(bits[i : i + 6], 2) for i in range(0, len(bits), 6)]
    return "".join(chr(code + (48 if code < 40 else 56)) for code in codes), fill


def both(*fields):
    text, fill = payload(*fields)
    body = f"AIVDM,1,1,,A,{text},{fill}"
    check = functools.reduce(operator.xor, body.encode())
    return pyais.decode(f"!{body}*{check:02X}".encode()).asdict(), ais.decode(text, fill)


west, north = -800, 3150  # tenths of a minute: 1.3333 degrees west, 5.25 degrees north
head = (2, 0), (30, 2110000), (2, 0)
corners = (18, 600), (17, 3150), (18, west), (17, -300)
station = (6, 17), *head, (18, west), (17, north), (5, 0), (40, 0)
region = (6, 22), *head, (12, 2087), (12, 2088), (5, 0), *corners, (3, 0), (3, 2), (23, 0)
group = (6, 23), *head, *corners, (4, 0), (8, 0), (22, 0), (2, 0), (4, 0), (4, 0), (6, 0)
vessel = (6, 27), (2, 0), (30, 211000001), (6, 0), (18, west), (17, north), (6, 10), (9, 200), (2, 0)
seen = []
for name, fields, ours, theirs in (
    ("17 lon", station, "lon", "x"),
    ("17 lat", station, "lat", "y"),
    ("22 sw_lon", region, "sw_lon", "x2"),
    ("23 sw_lon", group, "sw_lon", "x2"),
    ("27 lon", vessel, "lon", "x"),
):
    found, other = both(*fields)
    seen.append(found[ours])
    print(f"message {name:9} pyais {found[ours]:10.4f}  libais {other[theirs]:8.4f}")
    assert abs(other[theirs] - (north if name.endswith("lat") else west) / 600) < 1e-6
assert seen[:4] == [26134.4, 315.0, -80.0, -80.0] and abs(seen[4] - west / 600) < 1e-5
PY
