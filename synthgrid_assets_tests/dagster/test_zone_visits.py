"""Zones and visits in Dagster: compiled from any layer, written by day, judged."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import geopandas
import pandas as pd
import pytest
import shapely
import sqlalchemy as sa

from synthgrid_assets.dagster.assets import zone_visits
from synthgrid_assets.dagster.assets import zones as zones_module
from synthgrid_assets.dagster.assets.landing import gateway_definitions
from synthgrid_assets.errors import SpecError
from synthgrid_assets.services.gateway.geofence.sources import compile_source
from synthgrid_assets.services.gateway.geofence.zone_index import ZoneIndex
from synthgrid_assets.services.gateway.inbox.intake import Intake
from synthgrid_assets.services.gateway.inbox.tables import tally, visit
from synthgrid_assets.services.gateway.inbox.work_queue import owner_name
from synthgrid_assets.services.gateway.landing.processes.progress import Progress
from synthgrid_assets.services.gateway.landing.processes.worker import open_workshop, work_once
from synthgrid_assets.services.gateway.options import GatewayOptions
from synthgrid_assets.services.gateway.visits.rules import VisitRules
from synthgrid_assets_tests.services.gateway.deliveries import delivery
from synthgrid_assets_tests.small_world import write_small_world

DAY = 86_400
START = 1_700_006_400  # 2023-11-15, midnight in UTC


def squares():
    return geopandas.GeoDataFrame(
        {"name": ["west", "east"]},
        geometry=[shapely.box(8, 47, 9, 48), shapely.box(9, 47, 10, 48)],
        crs="OGC:CRS84",
    )


class Followed:
    """A gateway with zones, whose visits a Dagster instance watches."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        squares().to_file(folder / "squares.gpkg")
        compile_source(str(folder / "squares.gpkg"), folder / "zones", data=self.data)
        rules = VisitRules(lateness=60.0, dwell=600.0)
        self.options = GatewayOptions(str(self.data), zones=folder / "zones", visits=rules)
        self.workshop = open_workshop(self.options, Progress())
        self.instance = dg.DagsterInstance.ephemeral()
        given = self.options.data, self.options.database
        self.definitions = dg.Definitions.merge(
            gateway_definitions(*given),
            zones_module.zone_definitions(self.options.data),
            zone_visits.visit_definitions(*given),
        )
        self.cursor: str | None = None

    def send(self, device: str, track) -> None:
        """Fixes of a device: seconds after the start, and longitudes."""
        fixes = [
            {"_type": "location", "tst": START + at, "lat": 47.5, "lon": lon, "tid": device}
            for at, lon in track
        ]
        body = json.dumps(fixes).encode()
        sent = delivery(
            f"{device} {track}", body, kind="telemetry", content_type="application/json"
        )
        Intake(self.workshop.queue.database).put([sent])
        while work_once(self.workshop, owner_name(), 60.0):
            pass

    def look(self):
        repository = self.definitions.get_repository_def()
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor, repository_def=repository
        )
        found = repository.get_sensor_def(zone_visits.SENSOR).evaluate_tick(context)
        self.cursor = found.cursor or self.cursor
        for request in found.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(
                request.partitions_def_name, request.partition_keys
            )
        return found.run_requests or []

    def run(self):
        (request,) = self.look()
        job = self.definitions.resolve_job_def(zone_visits.JOB)
        done = job.execute_in_process(request.run_config, instance=self.instance)
        checks = {e.check_name: e.passed for e in done.get_asset_check_evaluations()}
        return {e.partition: e for e in done.get_asset_materialization_events()}, checks

    def rows(self, day: str) -> pd.DataFrame:
        return geopandas.read_parquet(self.data / "zone_visits" / day / "visits.parquet")


@pytest.fixture
def followed(tmp_path):
    return Followed(tmp_path)


def test_visits_are_a_partition_a_day_and_follow_what_comes(followed):
    assert followed.look() == []
    track = [(0, 8.5), (600, 8.6), (1200, 9.5), (1300, 9.5), (DAY - 60, 11.0), (DAY + 60, 8.5)]
    followed.send("a", [*track, (DAY + 200, 8.5)])
    told, checks = followed.run()
    assert sorted(told) == ["2023-11-15", "2023-11-16"]
    assert set(followed.instance.get_dynamic_partitions("gateway_zone_visits")) == set(told)
    assert checks == {zone_visits.WHOLE: True, zone_visits.COUNTED: True}
    first = followed.rows("2023-11-15")
    assert first["zone"].tolist() == ["east", "west"]
    seconds = [
        [(one - pd.Timestamp(START, unit="s", tz="UTC")).total_seconds() for one in first[name]]
        for name in ("entered", "dwelt", "left")
    ]
    assert seconds == [[1200, 0], [1800, 600], [DAY - 60, 1200]]
    assert followed.rows("2023-11-16")["left"].isna().tolist() == [True]
    assert followed.look() == []
    followed.send("a", [(DAY + 900, 11.0), (DAY + 1000, 11.0)])  # ends what is still open
    told, _ = followed.run()
    assert sorted(told) == ["2023-11-16"]
    assert followed.rows("2023-11-16")["left"].notna().all()


def test_lost_fixes_and_broken_visits_fail_their_checks(followed):
    followed.send("a", [(0, 8.5), (100, 11.0), (200, 8.5), (900, 8.5)])
    with followed.workshop.queue.database.writing() as connection:
        connection.execute(sa.update(tally).values(amount=tally.c.amount + 1))
        connection.execute(sa.delete(visit).where(visit.c.kind == "exit"))
    _, checks = followed.run()
    assert checks == {zone_visits.WHOLE: False, zone_visits.COUNTED: False}


def test_the_asset_of_zones_is_compiled_and_asked(followed, tmp_path, monkeypatch):
    def compiled(**config):
        job = dg.define_asset_job("zones", selection=[zones_module.KEY])
        definitions = dg.Definitions.merge(followed.definitions, dg.Definitions(jobs=[job]))
        done = definitions.resolve_job_def("zones").execute_in_process(
            {"ops": {"gateway__zones": {"config": config}}}, instance=followed.instance
        )
        (event,) = done.get_asset_materialization_events()
        (check,) = done.get_asset_check_evaluations()
        return event.materialization.metadata, check.passed

    metadata, passed = compiled(source=str(tmp_path / "squares.gpkg"))
    assert (metadata["dagster/row_count"].value, passed) == (2, True)
    folder = followed.data / "gateway" / "zones"
    assert ZoneIndex(folder).version == metadata["version"].value
    original = ZoneIndex.query
    monkeypatch.setattr(ZoneIndex, "query", lambda self, xy: original(self, xy + 0.3))
    assert compiled(source=str(tmp_path / "squares.gpkg"))[1] is False


def test_zones_of_a_world_and_of_what_landed(tmp_path, followed):
    world = write_small_world(tmp_path)
    facts = compile_source(f"world:{world}/cafes", tmp_path / "cells", data=followed.data)
    assert facts.zones > 20
    body = json.loads(squares().to_json())
    for feature in body["features"]:
        feature["properties"] = {"district": feature["properties"]["name"]}
    Intake(followed.workshop.queue.database).put([delivery("z", json.dumps(body).encode())])
    while work_once(followed.workshop, owner_name(), 60.0):
        pass
    facts = compile_source(
        "landed:parcels", tmp_path / "landed", data=followed.data, name="district"
    )
    assert sorted(ZoneIndex(tmp_path / "landed").names) == ["east", "west"]
    for wrong, problem in (
        ("landed:nobody", "nothing has landed"),
        ("world:riverton", "names no layer"),
        (f"world:{world}/trees", "the layer makes no voronoi"),
        ("nothing.gpkg", "cannot be read"),
    ):
        with pytest.raises(SpecError, match=problem):
            compile_source(wrong, tmp_path / "x", data=followed.data)
    with pytest.raises(SpecError, match="has a property 'colour'"):
        compile_source("landed:parcels", tmp_path / "x", data=followed.data, name="colour")
