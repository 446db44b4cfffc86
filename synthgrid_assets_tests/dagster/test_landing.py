"""The gateway in Dagster: one run a burst, each partition told, and checks that can fail."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from synthgrid_assets.dagster.assets.landing import (
    BALANCED,
    JOB,
    SENSOR,
    SOUND,
    gateway_definitions,
)
from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.intake import Intake
from synthgrid_assets.services.gateway.inbox.tables import INBOX, fragment
from synthgrid_assets.services.gateway.inbox.work_queue import owner_name
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.processes.worker import open_workshop, work_once
from synthgrid_assets.services.gateway.options import GatewayOptions
from synthgrid_assets_tests.services.gateway.deliveries import delivery

LANDED, TELEMETRY = (dg.AssetKey(["gateway", name]) for name in ("landed", "telemetry"))


class Served:
    """A gateway's inbox and data, and a Dagster instance that watches them."""

    def __init__(self, folder: Path) -> None:
        self.options = GatewayOptions(str(folder))
        self.workshop = open_workshop(self.options, Progress())
        self.definitions = gateway_definitions(self.options.data, self.options.database)
        self.instance = dg.DagsterInstance.ephemeral()
        self.cursor: str | None = None

    def land(self, key: str, spots) -> None:
        features = [
            {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": xy}}
            for xy in spots
        ]
        body = json.dumps({"type": "FeatureCollection", "features": features}).encode()
        Intake(Database(self.options.database, INBOX)).put([delivery(key, body)])
        self.work()

    def work(self) -> None:
        while work_once(self.workshop, owner_name(), 60.0):
            pass

    def look(self):
        """One look of the sensor, with its partitions added."""
        sensor = self.definitions.get_repository_def().get_sensor_def(SENSOR)
        context = dg.build_sensor_context(
            self.instance,
            cursor=self.cursor,
            repository_def=self.definitions.get_repository_def(),
        )
        found = sensor.evaluate_tick(context)
        self.cursor = found.cursor or self.cursor
        for request in found.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(
                request.partitions_def_name, request.partition_keys
            )
        return found.run_requests or []

    def run(self, request):
        job = self.definitions.resolve_job_def(JOB)
        done = job.execute_in_process(request.run_config, instance=self.instance, tags=request.tags)
        assert done.success
        return done

    def evaluations(self, done):
        return {
            (event.asset_key, event.check_name): event.passed
            for event in done.get_asset_check_evaluations()
        }


@pytest.fixture
def served(tmp_path):
    return Served(tmp_path / "data")


def test_a_burst_is_one_run_and_each_partition_is_told_once(served):
    assert served.look() == []
    for n in range(3):
        served.land(f"k{n}", [[8.5 + k, 47.0] for k in range(0, 9, 3)])
    (request,) = served.look()
    assert "k0" in json.loads(request.tags["synthgrid/correlations"])
    done = served.run(request)
    told = list(done.get_asset_materialization_events())
    partitions = {event.partition: event for event in told}
    assert len(told) == len(partitions)
    assert set(partitions) == set(served.instance.get_dynamic_partitions("gateway_landed"))
    rows = [event.materialization.metadata["dagster/row_count"].value for event in told]
    assert sum(rows) == 9
    assert served.evaluations(done) == {(LANDED, SOUND): True, (LANDED, BALANCED): True}
    assert served.look() == []
    served.land("k9", [[8.5, 47.0]])
    (again,) = served.look()
    assert again.run_key != request.run_key
    assert len(served.run(again).get_asset_materialization_events()) == 1


def test_telemetry_is_told_by_day(served):
    fix = {"_type": "location", "tst": 1_700_006_400, "lat": 47.5, "lon": 8.5, "tid": "ab"}
    Intake(Database(served.options.database, INBOX)).put(
        [delivery("t", json.dumps(fix).encode(), kind="telemetry", content_type="application/json")]
    )
    served.work()
    (request,) = served.look()
    (event,) = served.run(request).get_asset_materialization_events()
    assert (event.asset_key, event.partition) == (TELEMETRY, "2023-11-15")


def test_a_changed_file_fails_the_check(served):
    served.land("k", [[8.5, 47.0]])
    (file,) = Path(served.options.data).glob("landed/*/*/*.parquet")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    (request,) = served.look()
    done = served.run(request)
    assert served.evaluations(done)[LANDED, SOUND] is False


def test_a_row_that_is_not_accounted_for_fails_the_check(served):
    served.land("k", [[8.5, 47.0]])
    with Database(served.options.database, INBOX) as database, database.writing() as connection:
        connection.execute(sa.update(fragment).values(rows=2))
    (request,) = served.look()
    done = served.run(request)
    assert served.evaluations(done) == {(LANDED, SOUND): False, (LANDED, BALANCED): False}
