#!/usr/bin/env bash
# pyshp_number_cut_on_the_right: a number one digit too long for its field becomes ten times smaller
#
# Versions: Python 3.11.7, pyshp 3.1.6, dbfread 2.0.7, pyogrio 0.13.0 (its GDAL).
#
# A shapefile field "N" of width 9 holds 999999999 at most. pyshp.Writer writes 1234567890 into it as
# 123456789, -98765432.1 (9 wide, one decimal) as -98765432, and 1234567.891 (9 wide, 3 decimals) as
# 1234567.8: the text is cut on the right to fit. No error and no warning (for text fields it does warn).
# dbfread and GDAL read the false numbers as good ones.
#
# Output seen:
#     whole     written 1234567890, read by pyshp 123456789, dbfread 123456789, GDAL 123456789.0
#     negative  written -98765432.1, read by pyshp -98765432.0, dbfread -98765432, GDAL -98765432.0
#     decimals  written 1234567.891, read by pyshp 1234567.8, dbfread 1234567.8, GDAL 1234567.8
#
# Expected: dBASE numeric fields are right-justified and an overflow is shown by asterisks; the choice is to
# raise or to write asterisks (pyshp writes them for None). GDAL widens the field or warns that the value was
# not written as it is.
#
# Why it matters: counts and identifiers of synthetic populations grow with the region. A total that outgrows
# its field is off by a power of ten in single rows only, and ids that lose their last digit are ids of
# others.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pyshp==3.1.6 dbfread==2.0.7 pyogrio==0.13.0 numpy==2.4.6

venv/bin/python -W ignore - <<'PY'
import dbfread
import pyogrio.raw
import shapefile

values = {"whole": 1234567890, "negative": -98765432.1, "decimals": 1234567.891}
with shapefile.Writer("t", shapeType=shapefile.POINT) as out:
    out.field("whole", "N", size=9)
    out.field("negative", "N", size=9, decimal=1)
    out.field("decimals", "N", size=9, decimal=3)
    out.point(0, 0)
    out.record(**values)
with shapefile.Reader("t") as file:
    by_pyshp = file.record(0).as_dict()
by_dbfread = dict(next(iter(dbfread.DBF("t.dbf"))))
meta, _, _, columns = pyogrio.raw.read("t.shp", read_geometry=False)
by_gdal = {name: float(column[0]) for name, column in zip(meta["fields"], columns, strict=True)}
for name, value in values.items():
    print(f"{name:9} written {value}, read by pyshp {by_pyshp[name]}, dbfread {by_dbfread[name]}, GDAL {by_gdal[name]}")
for found in (by_pyshp, by_dbfread, by_gdal):
    assert found == {"whole": 123456789, "negative": -98765432, "decimals": 1234567.8}
PY
