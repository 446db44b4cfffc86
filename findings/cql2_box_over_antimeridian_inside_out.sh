#!/usr/bin/env bash
# cql2_box_over_antimeridian_inside_out: a box across 180 degrees finds everything that lies outside of it
#
# Versions: Python 3.11.7, cql2 0.6.0 (Rust).
#
# A box whose west is larger than its east, as 170, 0, -170, 3, is a valid literal for the parser and the validator.
# matches() takes the smaller number for the west: it answers for the 340 degrees between -170 and 170, where
# the 20 degrees between 170 and -170 were asked for. There is no error, and all predicates are turned round.
#
# Output seen (longitude of a point: S_INTERSECTS, S_WITHIN, S_DISJOINT for this box):
#      175 should be inside  True: False False True
#     -175 should be inside  True: False False True
#     -165 should be inside False: True True False
#       10 should be inside False: True True False
#      165 should be inside False: True True False
#     the same by two boxes up to 180 degrees: all five right
#
# Expected: OGC API - Features, whose boxes CQL2 has taken over, defines the first value as the west: it is larger
# than the third if the box crosses the antimeridian. So have GeoJSON (RFC 7946, section 5.2) and STAC.
#
# Known: no report was found for this package. (wide_tile_becomes_its_complement is about boxes wider than 180 degrees
# in other packages.)
#
# Why it matters: the box of Fiji, of New Zealand's waters or of a satellite's scene there is written so in each STAC
# item. A filter by it gets all items of the rest of the world, and none of the place.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet cql2==0.6.0

venv/bin/python -W ignore - <<'PY'
import cql2


def matches(longitude, text):
    expression = cql2.Expr(text)
    expression.validate()
    return expression.matches({"geometry": {"type": "Point", "coordinates": [longitude, 2]}, "properties": {}})


box = "(geometry, BBOX(170, 0, -170, 3))"
halves = "S_INTERSECTS(geometry, BBOX(170, 0, 180, 3)) OR S_INTERSECTS(geometry, BBOX(-180, 0, -170, 3))"
right = []
for longitude, inside in ((175, True), (-175, True), (-165, False), (10, False), (165, False)):
    seen = [matches(longitude, name + box) for name in ("S_INTERSECTS", "S_WITHIN", "S_DISJOINT")]
    print(f"{longitude:4} should be inside {inside!s:>5}:", *seen)
    assert seen == [not inside, not inside, inside]
    right.append(matches(longitude, halves) == inside)
print("the same by two boxes up to 180 degrees:", "all five right" if all(right) else right)
assert all(right)
PY
