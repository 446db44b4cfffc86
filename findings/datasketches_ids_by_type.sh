#!/usr/bin/env bash
# datasketches_ids_by_type: the same id counts twice when one tile has it as an integer and one as a float
#
# Versions: Python 3.11.7, datasketches 5.2.0, numpy 2.4.6, pandas 3.1.1.
#
# Two tiles hold the same thousand ids, 1 to 1000. In the second tile a row without id turned the pandas
# column into float64. Each tile fills a HyperLogLog (or theta, or CPC) sketch of its distinct ids, and the
# sketches are merged: the union counts about 2000. An id as text makes 3000. Only 0 and 0.0 are one.
#
# Output seen:
#     HLL   distinct after int64, float64, text: [1000.0, 2000.0, 3000.0]
#     CPC   distinct after int64, float64, text: [1000.0, 2000.0, 3000.0]
#     theta distinct after int64, float64, text: [1000.0, 2000.0, 3000.0]
#     0 and 0.0: 1.0
#
# Expected: in Python (and SQL) 7 == 7.0, and both have one hash; numpy.unique and set() see one value.
# Sketches are documented as mergeable without loss, whatever part of the data each has seen. A union of
# sketches of one set should estimate that set.
#
# Why it matters: distinct counts over tiles are made by merging sketches, as ids cannot be held together. One
# tile with a missing value doubles the count of everything that it shares with its neighbours.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet datasketches==5.2.0 numpy==2.4.6 pandas==3.1.1

venv/bin/python -W ignore - <<'PY'
import datasketches
import pandas

ids = pandas.Series(range(1, 1001))
with_gap = pandas.concat([ids, pandas.Series([None])]).astype(float).dropna()
columns = {"int64": ids.tolist(), "float64": with_gap.tolist(), "text": ids.astype(str).tolist()}
assert set(columns["int64"]) == set(columns["float64"])
kinds = {
    "HLL": (datasketches.hll_sketch, datasketches.hll_union),
    "CPC": (datasketches.cpc_sketch, datasketches.cpc_union),
    "theta": (datasketches.update_theta_sketch, datasketches.theta_union),
}
for name, (sketch, union) in kinds.items():
    merged = union(12)
    counts = []
    for column in columns.values():
        one = sketch(12)
        for value in column:
            one.update(value)
        merged.update(one)
        counts.append(round(merged.get_result().get_estimate(), -2))
    print(f"{name:5} distinct after int64, float64, text: {counts}")
    assert counts == [1000, 2000, 3000]
zero = datasketches.update_theta_sketch(12)
zero.update(0)
zero.update(0.0)
print("0 and 0.0:", zero.get_estimate())
assert zero.get_estimate() == 1
PY
