#!/usr/bin/env bash
# latlon23_minutes_on_the_wrong_side: 5 degrees 30 minutes south is written, and 4.5 degrees south is read back
#
# Versions: Python 3.11.7, LatLon23 1.0.7.
#
# LatLon.to_string("d% %m% %S") of -5.5 degrees is "-5 30 0.0". string2latlon() of the same package, with this format,
# takes the sign for the degrees alone and adds the minutes: -4.5 degrees. Within one degree of the equator or
# of Greenwich the sign is not even written, so that London is read back east of Greenwich and Nairobi in the north.
# With a letter for the hemisphere in the format, or in the northern and eastern halves, all is well.
#
# Output seen (given, as text, and read back with the same format):
#     Lima    (-12.0625, -77.0625)  -12 3 45.0 / -77 3 45.0        (-11.9375, -76.9375)
#     Lima    (-12.0625, -77.0625)  12 3 45.0 S / 77 3 45.0 W      (-12.0625, -77.0625)
#     Berlin  (52.5, 13.375)        52 30 0.0 / 13 22 30.0         (52.5, 13.375)
#     Berlin  (52.5, 13.375)        52 30 0.0 N / 13 22 30.0 E     (52.5, 13.375)
#     London  (51.5, -0.125)        51 30 0.0 / 0 7 30.0           (51.5, 0.125)
#     London  (51.5, -0.125)        51 30 0.0 N / 0 7 30.0 W       (51.5, -0.125)
#     Nairobi (-1.25, 36.8125)      -1 15 0.0 / 36 48 45.0         (-0.75, 36.8125)
#     Nairobi (-1.25, 36.8125)      1 15 0.0 S / 36 48 45.0 E      (-1.25, 36.8125)
#     Entebbe (0.0625, 32.4375)     0 3 45.0 / 32 26 15.0          (0.0625, 32.4375)
#     Entebbe (0.0625, 32.4375)     0 3 45.0 N / 32 26 15.0 E      (0.0625, 32.4375)
#     Quito   (-0.1875, -78.5)      0 11 15.0 / -78 30 0.0         (0.1875, -77.5)
#     Quito   (-0.1875, -78.5)      0 11 15.0 S / 78 30 0.0 W      (-0.1875, -78.5)
#
# Expected: the place that was written. The sign of sexagesimal degrees is that of the whole number, as in ISO 6709
# (annex H, -005530 is 55 minutes and 30 seconds south), and the function is made for strings of such parts.
#
# Known: no report was found.
#
# Why it matters: lists of stations and museum records have signed degrees and minutes in their columns. In South
# America each place moves by twice its minutes, up to two degrees, and a map of Europe shows nothing wrong.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet LatLon23==1.0.7

venv/bin/python -W ignore - <<'PY'
from LatLon23 import LatLon, string2latlon


def there_and_back(lat, lon, written):
    text = LatLon(lat, lon).to_string(written)
    back = string2latlon(*text, written)
    return text, (float(back.lat), float(back.lon))


seen = {}
for name, lat, lon in (
    ("Lima", -12.0625, -77.0625),
    ("Berlin", 52.5, 13.375),
    ("London", 51.5, -0.125),
    ("Nairobi", -1.25, 36.8125),
    ("Entebbe", 0.0625, 32.4375),
    ("Quito", -0.1875, -78.5),
):
    for written in ("d% %m% %S", "d% %m% %S% %H"):
        text, back = there_and_back(lat, lon, written)
        seen[name, written] = back == (lat, lon)
        print(f"{name:8}{(lat, lon)!s:20}  {' / '.join(text):29}  {back}")
assert all(ok for (_, written), ok in seen.items() if "H" in written)
assert [name for (name, written), ok in seen.items() if ok and "H" not in written] == ["Berlin", "Entebbe"]
PY
