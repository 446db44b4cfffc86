#!/usr/bin/env bash
# opentelemetry_ids_follow_the_seed: seeded workers give their tiles one and the same trace id
#
# Versions: Python 3.11.7, opentelemetry-sdk 1.45.0.
#
# Two processes call random.seed(7), as generators of synthetic data do, and then start a span for a tile of
# their own. Both spans have the same trace id and the same span id. The default id generator draws from the
# global random of Python. A library that is seeded from elsewhere gives ids that repeat run after run.
#
# Output seen:
#     seed 7: trace and span ids of two processes are equal: 6513270e269e0d37f2a74de452e6b438 0c5c7fd0a6a3a450
#     seed none: trace and span ids of two processes are different: two ids
#
# Expected: W3C Trace Context (trace-id, "Considerations for trace-id field generation") asks for globally
# unique ids, generated randomly; the ids of one service must not depend on what an application does with its
# own generator. A generator of its own, or os.urandom, would do (and id_generator= allows it).
#
# Why it matters: a fixed seed in every worker is the rule for reproducible tiles. The collector joins the
# spans of all workers into one trace, or drops them as repeats, and traces of yesterday and today become one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet opentelemetry-sdk==1.45.0

venv/bin/python -W ignore - <<'PY'
import subprocess
import sys

code = """
import random, sys
from opentelemetry.sdk.trace import TracerProvider
if sys.argv[2] != "none":
    random.seed(int(sys.argv[2]))
with TracerProvider().get_tracer("tiles").start_as_current_span(sys.argv[1]) as span:
    ids = span.get_span_context()
print(f"{ids.trace_id:032x} {ids.span_id:016x}")
"""
seen = {}
for seed in ("7", "none"):
    for tile in ("0,0", "0,1"):
        done = subprocess.run([sys.executable, "-c", code, tile, seed], capture_output=True, text=True, check=True)
        seen[seed, tile] = done.stdout.strip()
    same = seen[seed, "0,0"] == seen[seed, "0,1"]
    shown = seen[seed, "0,0"] if same else "two ids"
    print(f"seed {seed}: trace and span ids of two processes are {'equal' if same else 'different'}: {shown}")
    assert same == (seed == "7")
PY
