"""A real `dagster dev`, asked what its UI asks: GraphQL over HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

PROJECT = Path(__file__).parents[2]
LOCATION = {"repositoryLocationName": "synthgrid_assets", "repositoryName": "__repository__"}
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
POLL_SECONDS = 0.2
PATIENCE = 300.0  # seconds until a test gives up; never a measure of speed
# the queue is looked at every second rather than every fifth
IMPATIENT_QUEUE = """
run_coordinator:
  module: dagster._core.run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1
"""

LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on Error { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
TERMINATE = """mutation($run: String!) {
  terminateRun(runId: $run, terminatePolicy: SAFE_TERMINATE) {
    __typename ... on TerminateRunFailure { message } } }"""
STATUS = "query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"
PROCESS = """query($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
  ... on EngineEvent { metadataEntries { label ... on TextMetadataEntry { text } } } } } } }"""
NODES = """query($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) {
  assetKey { path } groupName staleStatus partitionStats { numMaterialized numFailed }
  assetMaterializations(limit: 1000) { partition
    metadataEntries { label ... on BoolMetadataEntry { boolValue } } } } }"""
STALE = """query($keys: [AssetKeyInput!], $tiles: [String!]) { assetNodes(assetKeys: $keys) {
  assetKey { path } staleStatusByPartition(partitions: $tiles) } }"""
EVALUATIONS = """query($key: AssetKeyInput!, $check: String!) {
  assetCheckExecutions(assetKey: $key, checkName: $check, limit: 1000) { status partition
    evaluation { success description metadataEntries { label
      ... on TableMetadataEntry { table { records } } } } } }"""
RUNS_TAGGED = """query($tag: ExecutionTag!) { runsOrError(filter: {tags: [$tag]}) {
  ... on Runs { results { runId status jobName tags { key value } } } } }"""
RELOAD = """mutation($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) {
  __typename ... on WorkspaceLocationEntry { locationOrLoadError {
    __typename ... on PythonError { message } } } } }"""


@dataclass(frozen=True)
class Server:
    """A served project folder.

    Parameters
    ----------
    folder : Path
        ``DAGSTER_HOME``; the worlds and the data lie below.
    port : int
    """

    folder: Path
    port: int

    @property
    def worlds(self) -> Path:
        return self.folder / "worlds"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of an answer; any error in it fails the test."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        assert "errors" not in found, found["errors"]
        return found["data"]

    def launch(
        self,
        assets: Iterable[str] = (),
        checks: Iterable[tuple[str, str]] = (),
        tags: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> str:
        """Launch assets, or checks alone, as the asset graph's buttons do; the run's id."""
        chosen_checks = [{"assetKey": asset_key(asset), "name": name} for asset, name in checks]
        selection: dict[str, Any] = {"assetSelection": [asset_key(asset) for asset in assets]}
        if chosen_checks:
            selection["assetCheckSelection"] = chosen_checks
        return self._launch({"jobName": "__ASSET_JOB", **selection}, tags or {}, config or {})

    def launch_region(self, **choice: Any) -> str:
        """Launch the job `materialize_region` as the launchpad does; the run's id."""
        config = {"ops": {"submit_region_run": {"config": choice}}}
        return self._launch({"jobName": "materialize_region"}, {}, config)

    def _launch(
        self, job: dict[str, Any], tags: Mapping[str, str], config: Mapping[str, Any]
    ) -> str:
        params = {
            "selector": {**LOCATION, **job},
            "mode": "default",
            "runConfigData": config,
            "executionMetadata": {"tags": [{"key": key, "value": tags[key]} for key in tags]},
        }
        answer = self.ask(LAUNCH, params=params)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def status(self, run: str) -> str:
        return str(self.ask(STATUS, run=run)["runOrError"]["status"])

    def end_of(self, run: str) -> str:
        """Wait for a run's end; its last status."""
        wait_until(lambda: self.status(run) in ENDED, f"the end of run {run}")
        return self.status(run)

    def await_success(self, run: str) -> None:
        status = self.end_of(run)
        assert status == "SUCCESS", f"run {run} ended as {status}; see {self.folder / 'dev.log'}"

    def terminate(self, run: str) -> None:
        answer = self.ask(TERMINATE, run=run)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def reload(self) -> None:
        """Read the world files again, as the UI's button [Reload] does."""
        name = LOCATION["repositoryLocationName"]
        entry = self.ask(RELOAD, name=name)["reloadRepositoryLocation"]
        assert entry["locationOrLoadError"]["__typename"] == "RepositoryLocation", entry

    def nodes(self, *names: str) -> dict[str, Any]:
        """Assets by name, with their events, the newest first; without names, all of them."""
        keys = [asset_key(name) for name in names] or None
        return {name_of(node): node for node in self.ask(NODES, keys=keys)["assetNodes"]}

    def materialised(self, name: str) -> list[str]:
        """Partition of each event of an asset."""
        events = self.nodes(name)[name]["assetMaterializations"]
        return [event["partition"] for event in events]

    def stale_statuses(self, names: Iterable[str], tiles: Iterable[str]) -> dict[str, set[str]]:
        """What the tiles of each asset are: FRESH, STALE or MISSING."""
        keys = [asset_key(name) for name in names]
        found = self.ask(STALE, keys=keys, tiles=sorted(tiles))["assetNodes"]
        return {name_of(node): set(node["staleStatusByPartition"]) for node in found}

    def evaluations(self, name: str, check: str) -> list[dict[str, Any]]:
        """Executions of a check, the newest first."""
        found = self.ask(EVALUATIONS, key=asset_key(name), check=check)
        return list(found["assetCheckExecutions"])

    def runs_tagged(self, key: str, value: str) -> list[dict[str, Any]]:
        found = self.ask(RUNS_TAGGED, tag={"key": key, "value": value})["runsOrError"]["results"]
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]

    def processes_of(self, run: str) -> list[psutil.Process]:
        """The process that executes a run and all its descendants, as they live now."""
        events = self.ask(PROCESS, run=run)["logsForRun"]["events"]
        entries = [entry for event in events for entry in event.get("metadataEntries", ())]
        (pid,) = {entry["text"] for entry in entries if entry["label"] == "pid"}
        process = psutil.Process(int(pid))
        return [process, *process.children(recursive=True)]


@contextlib.contextmanager
def serving(folder: Path, worlds: Mapping[str, str]) -> Iterator[Server]:
    """Serve worlds in a folder of their own, configured as the project is.

    Parameters
    ----------
    folder : Path
    worlds : mapping
        Text of each world file by its stem.
    """
    (folder / "worlds").mkdir()
    for name, text in worlds.items():
        (folder / "worlds" / f"{name}.toml").write_text(text)
    shutil.copy(PROJECT / "workspace.yaml", folder)
    (folder / "dagster.yaml").write_text((PROJECT / "dagster.yaml").read_text() + IMPATIENT_QUEUE)
    server = Server(folder, _free_port())
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml"]
    with (folder / "dev.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "-p", str(server.port)],
            cwd=folder,
            env={
                **os.environ,
                "DAGSTER_HOME": str(folder),
                "SYNTHGRID_DATA": str(server.data),
                "SYNTHGRID_WORLDS": str(server.worlds),
            },
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait_until(lambda: _answers(server, process), f"the server; see {log.name}")
            yield server
        finally:
            _end(process)


def wait_until(reached: Callable[[], bool], what: str) -> None:
    """Ask again and again; fail when it takes for ever."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE:g} s for {what}")
        time.sleep(POLL_SECONDS)


def asset_key(name: str) -> dict[str, list[str]]:
    """``small/cafes/points`` as GraphQL wants it."""
    return {"path": name.split("/")}


def name_of(node: Mapping[str, Any]) -> str:
    """The name of an asset node, as `asset_key` takes it."""
    return "/".join(node["assetKey"]["path"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(server: Server, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, (server.folder / "dev.log").read_text()
    try:
        server.ask("{ version }")
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the services to end, then kill whatever is left of them and of their runs."""
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
