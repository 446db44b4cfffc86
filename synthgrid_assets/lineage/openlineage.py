"""OpenLineage: one COMPLETE event for each run and asset, and where events go.

Belongs here: events, and the two transports. Not here: facts (`facts`).

A tile is never an event of its own: which tiles a run made stands in the event's subset facet.

References
----------
https://openlineage.io/spec/2-0-2/OpenLineage.json and the facets named in each.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from synthgrid_assets.errors import StorageError
from synthgrid_assets.lineage.facts import HOME, AssetFacts, AssetRun, Check, WorldFacts
from synthgrid_assets.products.product import ORIGIN

_SPEC = "https://openlineage.io/spec"
_SECONDS = 30.0  # that a server may take to answer
_SCHEMAS = {
    "schema": ("1-2-0", "SchemaDatasetFacet"),
    "version": ("1-0-1", "DatasetVersionDatasetFacet"),
    "columnLineage": ("1-2-0", "ColumnLineageDatasetFacet"),
    "outputStatistics": ("1-0-2", "OutputStatisticsOutputDatasetFacet"),
    "dataQualityAssertions": ("1-1-0", "DataQualityAssertionsDatasetFacet"),
    "test": ("1-0-1", "TestRunFacet"),
    "jobType": ("2-0-4", "JobTypeJobFacet"),
    "processing_engine": ("1-1-1", "ProcessingEngineRunFacet"),
}


def events(facts: WorldFacts, namespace: str = "synthgrid") -> Iterator[dict[str, Any]]:
    """The events of a world's runs, in the order in which they ended.

    Parameters
    ----------
    facts : WorldFacts
    namespace : str
        Of jobs and datasets.
    """
    pairs = [(asset, run) for asset in facts.assets for run in asset.runs]
    for asset, run in sorted(pairs, key=lambda pair: (pair[1].ended, pair[0].key)):
        yield _event(facts, asset, run, namespace)


def to_lines(found: Iterable[dict[str, Any]]) -> str:
    """Events as lines of JSON."""
    return "".join(f"{json.dumps(event, allow_nan=False)}\n" for event in found)


def send(found: Iterable[dict[str, Any]], url: str) -> int:
    """Send events to a server of OpenLineage, or append them to a file; how many.

    Parameters
    ----------
    found : iterable of dict
    url : str
        ``http://host/api/v1/lineage``, or a path.

    Raises
    ------
    StorageError
        If the server refuses one or cannot be reached, or the file cannot be written; those
        before it were sent.
    """
    sent = 0
    for event in found:
        line = to_lines([event])
        try:
            if url.startswith(("http://", "https://")):
                headers = {"Content-Type": "application/json"}
                request = urllib.request.Request(url, line.encode(), headers, method="POST")
                with urllib.request.urlopen(request, timeout=_SECONDS):
                    sent += 1
            else:
                with Path(url).open("a", encoding="utf-8") as file:  # one write a line
                    file.write(line)
                sent += 1
        except (OSError, ValueError, urllib.error.URLError) as error:
            raise StorageError(f"event {sent + 1} could not be sent to {url}: {error}") from error
    return sent


def run_id(run: str, asset: AssetFacts) -> str:
    """The id of a run's part on one asset: a UUID that is the same whenever it is told."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{HOME}{run}/{asset.key}"))


def _event(facts: WorldFacts, asset: AssetFacts, run: AssetRun, namespace: str) -> dict[str, Any]:
    inputs = [_upstream(facts, asset, name, namespace) for name in asset.upstream]
    inputs += [
        {
            "namespace": namespace,
            "name": f"{asset.world}/input/{name}",
            "facets": {"version": _facet("version", datasetVersion=found)},
        }
        for name, found in asset.inputs
    ]
    return {
        "eventType": "COMPLETE",
        "eventTime": run.ended,
        "producer": HOME,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {
            "runId": run_id(run.run, asset),
            "facets": {
                "processing_engine": _facet("processing_engine", version=facts.version),
                "test": _facet("test", tests=[_test(check) for check in asset.checks]),
            },
        },
        "job": {
            "namespace": namespace,
            "name": asset.key,
            "facets": {
                "jobType": _facet(
                    "jobType", processingType="BATCH", integration="SYNTHGRID", jobType="ASSET"
                )
            },
        },
        "inputs": [_judged(one, asset) for one in inputs],
        "outputs": [_output(asset, run, namespace)],
    }


def _upstream(facts: WorldFacts, asset: AssetFacts, name: str, namespace: str) -> dict[str, Any]:
    found = facts.asset(asset.layer, name)
    told = {"version": _facet("version", datasetVersion=found.realisation)} if found else {}
    return {
        "namespace": namespace,
        "name": f"{asset.world}/{asset.layer}/{name}",
        "facets": told,
    }


def _judged(one: dict[str, Any], asset: AssetFacts) -> dict[str, Any]:
    """An input; a product's checks judge what it was made from as well."""
    if not asset.checks:
        return one
    told = [
        {
            "assertion": check.name,
            "success": check.verdict.passed,
            "name": check.name,
            "description": check.claim,
        }
        for check in asset.checks
        if check.verdict.judged
    ]
    return {
        **one,
        "inputFacets": {"dataQualityAssertions": _facet("dataQualityAssertions", assertions=told)},
    }


def _output(asset: AssetFacts, run: AssetRun, namespace: str) -> dict[str, Any]:
    made = [receipt for receipt in asset.receipts if receipt.path in set(run.files)]
    columns = [
        {"name": one.name, "type": one.type, "description": one.description}
        for one in asset.columns
    ]
    derived = {
        one.name: {
            "inputFields": [
                {
                    "namespace": namespace,
                    "name": f"{asset.world}/{asset.layer}/{ORIGIN}",
                    "field": source,
                    "transformations": [{"type": "DIRECT", "subtype": "TRANSFORMATION"}],
                }
                for source in one.sources
            ]
        }
        for one in asset.columns
        if one.sources and asset.name != ORIGIN
    }
    facets = {
        "schema": _facet("schema", fields=columns),
        "version": _facet("version", datasetVersion=asset.realisation),
    }
    if derived:
        facets["columnLineage"] = _facet("columnLineage", fields=derived)
    return {
        "namespace": namespace,
        "name": asset.key,
        "facets": facets,
        "outputFacets": {
            "outputStatistics": _facet(
                "outputStatistics",
                rowCount=sum(receipt.rows for receipt in made),
                size=sum(receipt.size for receipt in made),
                fileCount=len(made),
            ),
            "subset": {
                "_producer": HOME,
                "_schemaURL": f"{_SPEC}/facets/1-0-0/BaseSubsetDatasetFacet.json"
                "#/$defs/OutputSubsetOutputDatasetFacet",
                "outputCondition": {"type": "location", "locations": list(run.files)},
            },
        },
    }


def _test(check: Check) -> dict[str, Any]:
    verdict = check.verdict
    status = "skip" if not verdict.judged else "pass" if verdict.passed else "fail"
    return {
        "name": check.name,
        "status": status,
        "severity": "error",
        "description": check.claim,
        "params": {"false_alarm_rate": f"{verdict.false_alarm_rate:.3g}"},
    }


def _facet(name: str, **content: Any) -> dict[str, Any]:
    release, kind = _SCHEMAS[name]
    schema = f"{_SPEC}/facets/{release}/{kind}.json#/$defs/{kind}"
    return {"_producer": HOME, "_schemaURL": schema, **content}
