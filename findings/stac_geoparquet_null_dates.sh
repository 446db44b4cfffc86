#!/usr/bin/env bash
# stac_geoparquet_null_dates: a valid STAC item is invalid when it comes back from stac-geoparquet
#
# Versions: Python 3.11.7, stac-geoparquet 0.8.3, pystac 1.15.2 (bundled core schemas), jsonschema 4.26.0,
# pyarrow 26.0.1.
#
# Two valid items go into one table: one with a range of dates (datetime null, start_datetime, end_datetime),
# one with a plain datetime. Each comes back with the keys of both. The plain item now has start_datetime:
# null and end_datetime: null, and pystac, which accepted it before, refuses it. Alone in a table it comes
# back as it was.
#
# Output seen:
#     before    valid: True, properties: {'datetime': '2026-01-01T00:00:00Z'}
#     alone     valid: True, properties: {'datetime': '2026-01-01T00:00:00.000000Z'}
#     with span valid: False, properties: {'datetime': '2026-01-01T00:00:00.000000Z', 'end_datetime': None, 'start_datetime': None}
#
# Expected: STAC 1.1 (item specification, "Date and Time Range" in the common metadata) has start_datetime and
# end_datetime as strings; null is allowed for datetime only. A key that an item did not have should be left
# out again, at least where its schema has no null.
#
# Why it matters: catalogues of synthetic tiles mix single dates and periods. One item of the other kind makes
# every plain item of the file fail validation at the next service, and the digest of an item depends on its
# neighbours in the table.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet stac-geoparquet==0.8.3 pystac==1.15.2 jsonschema==4.26.0 pyarrow==26.0.1

venv/bin/python -W ignore - <<'PY'
import copy

import pyarrow.parquet
import pystac
from stac_geoparquet import arrow


def item(name, **properties):
    return {
        "type": "Feature", "stac_version": "1.1.0", "id": name, "bbox": [1, 2, 1, 2], "links": [], "assets": {},
        "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": properties,
    }


def valid(one):
    try:
        pystac.Item.from_dict(copy.deepcopy(one)).validate()
        return True
    except pystac.STACValidationError:
        return False


def back(items):
    arrow.to_parquet(arrow.parse_stac_items_to_arrow(copy.deepcopy(items)), "items.parquet")
    return list(arrow.stac_table_to_items(pyarrow.parquet.read_table("items.parquet")))


day = item("day", datetime="2026-01-01T00:00:00Z")
span = item(
    "span", datetime=None, start_datetime="2026-01-01T00:00:00Z", end_datetime="2026-01-02T00:00:00Z"
)
seen = {}
for name, one in (("before", day), ("alone", back([day])[0]), ("with span", back([day, span])[0])):
    seen[name] = valid(one)
    print(f"{name:9} valid: {seen[name]}, properties: {dict(sorted(one['properties'].items()))}")
assert valid(span) and seen == {"before": True, "alone": True, "with span": False}
PY
