#!/usr/bin/env bash
# openlineage_nan_is_not_json: statistics of an empty tile make a lineage event that is no JSON
#
# Versions: Python 3.11.7, openlineage-python 1.54.0, orjson 3.13.0.
#
# A run event carries an input dataset with the column statistics of an empty tile: min, max are infinite,
# quantiles are nan. The file transport writes them as NaN and -Infinity. Nothing is raised when the event is
# made or written; strict readers (orjson here) refuse the whole line, and with it the run and its data sets.
#
# Output seen:
#     written: {"count": 0, "max": -Infinity, "min": Infinity, "quantiles": {"0.5": NaN}}
#     orjson: no digit after sign
#
# Expected: RFC 8259, section 6: numeric values that cannot be represented, such as Infinity and NaN, are not
# permitted. OpenLineage specifies events in JSON (with JSON Schema, where these facets are "number"). The
# values should be refused or left out.
#
# Why it matters: empty tiles are common, and their statistics are undefined. A backend that reads strictly
# refuses the event, so that just the runs that should be looked at are missing in the lineage.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet openlineage-python==1.54.0 orjson==3.13.0

venv/bin/python -W ignore - <<'PY'
import datetime
import json
import pathlib
import uuid

import orjson
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, Run, RunEvent, RunState
from openlineage.client.facet_v2 import data_quality_metrics_input_dataset as quality
from openlineage.client.transport.file import FileConfig, FileTransport

height = quality.ColumnMetrics(count=0, min=float("inf"), max=float("-inf"), quantiles={"0.5": float("nan")})
metrics = quality.DataQualityMetricsInputDatasetFacet(columnMetrics={"height": height}, rowCount=0)
tile = InputDataset(namespace="tiles", name="0,0", inputFacets={"dataQualityMetrics": metrics})
event = RunEvent(
    eventType=RunState.COMPLETE,
    eventTime=datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc).isoformat(),
    run=Run(runId=str(uuid.UUID(int=1))),
    job=Job(namespace="tiles", name="check"),
    inputs=[tile],
)
transport = FileTransport(FileConfig(log_file_path="events.jsonl", append=True))
OpenLineageClient(transport=transport).emit(event)
line = pathlib.Path("events.jsonl").read_text().strip()
facet = json.loads(line)["inputs"][0]["inputFacets"]["dataQualityMetrics"]["columnMetrics"]["height"]
print("written:", json.dumps(facet))
try:
    orjson.loads(line)
    raise SystemExit("a strict reader took the line")
except orjson.JSONDecodeError as error:
    print("orjson:", str(error).split(":")[0])
assert "NaN" in line and "-Infinity" in line
PY
