"""Dagster's webserver as the viewer sees it: addresses of its pages, and what it knows of runs.

Belongs here: addresses and GraphQL over HTTP. Not here: Dagster itself, which no service imports.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

TIMEOUT = 2.0
PAUSE = 5.0  # seconds before a webserver that did not answer is asked again
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
PARTITION = "dagster/partition"
_ACTIVE = """
{ runsOrError(limit: 50, filter: {statuses: [QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING]}) {
  ... on Runs { results { runId status assetSelection { path } tags { key value } } } } }
"""
_LATEST = """
query Latest($key: AssetKeyInput!, $tile: String!) {
  assetOrError(assetKey: $key) { ... on Asset {
    assetMaterializations(partitions: [$tile], limit: 1) { runId timestamp } } } }
"""


@dataclass(frozen=True)
class ActiveRun:
    """A run that Dagster says is queued or at work.

    Parameters
    ----------
    run_id, status : str
    assets : tuple of tuple of str
        Paths of the assets' keys.
    tags : dict of str to str
    """

    run_id: str
    status: str
    assets: tuple[tuple[str, ...], ...]
    tags: dict[str, str]

    @property
    def range(self) -> tuple[str, str] | None:
        """First and last tile's key; None for a run over no tiles."""
        one = self.tags.get(PARTITION)
        if one is not None:
            return one, one
        first, last = self.tags.get(RANGE_START), self.tags.get(RANGE_END)
        return None if first is None or last is None else (first, last)


class DagsterLink:
    """The webserver at an address, which may not run.

    Parameters
    ----------
    url : str
        Without a slash at its end; empty for none.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._silent_until = 0.0

    def run_page(self, run_id: str) -> str:
        """Address of a run's page; empty without a webserver's address."""
        return f"{self.url}/runs/{quote(run_id)}" if self.url else ""

    def tile_page(self, asset: tuple[str, ...], tile: str) -> str:
        """Address of a partition of an asset."""
        path = "/".join(quote(part, safe="") for part in asset)
        tail = f"?view=partitions&partition={quote(tile, safe='')}"
        return f"{self.url}/assets/{path}{tail}" if self.url else ""

    def active_runs(self) -> list[ActiveRun]:
        """What is queued or at work; nothing if the webserver does not answer."""
        found = self._ask(_ACTIVE, {}).get("runsOrError") or {}
        return [
            ActiveRun(
                run["runId"],
                run["status"],
                tuple(tuple(key["path"]) for key in run["assetSelection"] or ()),
                {tag["key"]: tag["value"] for tag in run["tags"]},
            )
            for run in found.get("results", ())
        ]

    def latest_run(self, asset: tuple[str, ...], tile: str) -> str | None:
        """Id of the run that told Dagster of a tile last; None if it is not known."""
        asked = {"key": {"path": list(asset)}, "tile": tile}
        found = self._ask(_LATEST, asked).get("assetOrError") or {}
        told = found.get("assetMaterializations") or ()
        return str(told[0]["runId"]) if told else None

    def _ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if not self.url or time.monotonic() < self._silent_until:
            return {}
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}/graphql", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                found = json.load(answer)
        except (OSError, ValueError):  # nobody there, or somebody else
            self._silent_until = time.monotonic() + PAUSE
            return {}
        data = found.get("data") if isinstance(found, dict) else None
        return data if isinstance(data, dict) else {}
