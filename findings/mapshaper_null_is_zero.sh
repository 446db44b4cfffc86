#!/usr/bin/env bash
# mapshaper_null_is_zero: a district without a value pulls the mean down, and is the largest of the negative ones
#
# Versions: Node.js 20.20.2, mapshaper 0.7.70, Python 3.11.7, pandas 3.1.1.
#
# The functions of "calc", as in -dissolve and -join, do arithmetic on null as JavaScript does it, where null is 0. The
# mean divides by all rows, the median has a zero among its values, a minimum of 1, 2 and 4 is null, and so is the
# maximum of -5. A group with nothing but nulls has the mean 0. An empty cell of a number column in CSV is
# a null, so that it takes nothing unusual.
#
# Output seen:
#     a: 1 2 4 and one empty -> mapshaper mean 1.75, median 1.5, min null, max 4
#     a: 1 2 4 and one empty -> pandas mean 2.3333333333333335, median 2, min 1, max 4
#     b: two empty -> mapshaper mean 0, median 0, min null, max null
#     b: two empty -> pandas mean null, median null, min null, max null
#     c: -5 and one empty -> mapshaper mean -2.5, median -2.5, min -5, max null
#     c: -5 and one empty -> pandas mean -5, median -5, min -5, max -5
#
# Expected: that rows without a value do not count, as in SQL, pandas, R with na.rm, and QGIS, or null for all. The
# documentation lists the functions (mean, median, min, max of a field) with no word on null. The null that min and max
# give shows that it is not taken for a zero on purpose.
#
# Known: no report was found in the project's issues.
#
# Why it matters: dissolving municipalities to districts and joining points to polygons is what mapshaper is used for
# before a map is drawn. Missing readings move means towards zero, by half where half is missing.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pandas==3.1.1
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" mapshaper@0.7.70

cat > rows.csv <<'CSV'
group,value
a,1
a,2
a,
a,4
b,
b,
c,-5
c,
CSV
node node_modules/mapshaper/bin/mapshaper rows.csv \
  -dissolve group calc="Mean = mean(value), Median = median(value), Min = min(value), Max = max(value)" \
  -o groups.json format=json 2> log.txt || { cat log.txt; exit 1; }
venv/bin/python - <<'PY'
import json

import pandas

NAMES = ["mean", "median", "min", "max"]
rows = pandas.read_csv("rows.csv")
with open("groups.json") as file:
    groups = {row["group"]: {name: row[name.title()] for name in NAMES} for row in json.load(file)}
right = rows.groupby("group")["value"].agg(NAMES).astype(object)
right = right.where(right.notna(), None).to_dict("index")
given = {"a": "1 2 4 and one empty", "b": "two empty", "c": "-5 and one empty"}


def word(value):
    return json.dumps(int(value) if value is not None and value == int(value) else value)


for group, what in given.items():
    for tool, found in (("mapshaper", groups[group]), ("pandas", right[group])):
        told = ", ".join(f"{name} {word(found[name])}" for name in NAMES)
        print(f"{group}: {what} -> {tool} {told}")
assert groups["a"] == {"mean": 1.75, "median": 1.5, "min": None, "max": 4}
assert groups["b"] == {"mean": 0, "median": 0, "min": None, "max": None}
assert groups["c"] == {"mean": -2.5, "median": -2.5, "min": -5, "max": None}
PY
