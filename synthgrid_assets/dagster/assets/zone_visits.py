"""The asset ``zone_visits``: stays of devices in zones, a partition a day, one run a burst.

Belongs here: how Dagster is told. Not here: events, rows and files
(`services.gateway.landing`).
"""

from typing import Any

import dagster as dg

from synthgrid_assets.dagster.keys import OWNERS
from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.tables import INBOX
from synthgrid_assets.services.gateway.inbox.totals import visit_totals
from synthgrid_assets.services.gateway.landing.visit_files import (
    day_key,
    days_of_events,
    newest_event,
    totals_problem,
    visit_problems,
    visits_of_day,
    write_day,
)
from synthgrid_assets.services.gateway.landing.visits import fixes_waiting
from synthgrid_assets.storage.store import open_store

KEY = dg.AssetKey(["gateway", "zone_visits"])
JOB, SENSOR = "visits_of_zones", "watch_visits"
WHOLE, COUNTED = "visits_are_whole", "fixes_are_accounted_for"
SECONDS = 10  # between two looks of the sensor
_ABOUT = "Stays of devices in zones, by the day in UTC on which they began, as GeoParquet."
_CLAIMS = {
    WHOLE: "Each visit of the run's days begins once, ends after it began, and overlaps no other "
    "of its device and zone. Exact.",
    COUNTED: "Fixes received are those used, waiting, late, repeated or from the future; those "
    "that wait are in the devices' states. Exact.",
}


def visit_definitions(data: str, inbox: str) -> dg.Definitions:
    """The asset, its checks, job and sensor.

    Parameters
    ----------
    data : str
        Data root of the gateway.
    inbox : str
        Its inbox, a file or an address.
    """
    partitions = dg.DynamicPartitionsDefinition(name="gateway_zone_visits")
    spec = dg.AssetSpec(
        KEY,
        deps=[dg.AssetKey(["gateway", "telemetry"]), dg.AssetKey(["gateway", "zones"])],
        description=_ABOUT,
        group_name="gateway",
        owners=OWNERS,
        kinds={"parquet"},
        partitions_def=partitions,
    )
    job = _job(data, inbox)
    return dg.Definitions(
        assets=[spec],
        asset_checks=[_counted(inbox)],
        jobs=[job],
        sensors=[_sensor(inbox, partitions, job)],
    )


def _counted(inbox: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=KEY, name=COUNTED, description=_CLAIMS[COUNTED], blocking=False)
    def check() -> dg.AssetCheckResult:
        with Database(inbox, INBOX, private=True) as database:
            return dg.AssetCheckResult(**_account(database))

    return check


def _account(database: Database) -> dict[str, Any]:
    totals = visit_totals(database)
    problem = totals_problem(totals, fixes_waiting(database))
    shown = {name: str(amount) for name, amount in sorted(totals.items())}
    return {"passed": not problem, "metadata": {"problem": problem, **shown}}


def _job(data: str, inbox: str) -> dg.JobDefinition:
    @dg.op(
        name="write_visits",
        config_schema={"after": int, "upto": int},
        description="Writes the days whose visits have changed, and judges them.",
    )
    def write(context: dg.OpExecutionContext) -> None:
        after, upto = context.op_config["after"], context.op_config["upto"]
        store, problems = open_store(data), []
        with Database(inbox, INBOX, private=True) as database:
            for day in days_of_events(database, after, upto):
                visits = visits_of_day(database, day)
                facts = write_day(store, day, visits)
                problems += visit_problems(visits)
                shown: dict[str, Any] = {
                    "dagster/row_count": len(visits),
                    "open": sum(one.left is None for one in visits),
                    "size_bytes": str(facts.size),
                    "file": day_key(day),
                    "dagster/data_version": facts.sha256[:16],
                }
                context.log_event(dg.AssetMaterialization(KEY, partition=day, metadata=shown))
            whole = {"problems": "; ".join(problems[:20])}
            for evaluation in (
                dg.AssetCheckEvaluation(KEY, WHOLE, not problems, metadata=whole),
                dg.AssetCheckEvaluation(KEY, COUNTED, **_account(database)),
            ):
                context.log_event(evaluation)  # type: ignore[arg-type]  # its body takes it

    @dg.job(name=JOB, description="One run for all visits that changed since the last one.")
    def visits() -> None:
        write()

    return visits


def _sensor(
    inbox: str, partitions: dg.DynamicPartitionsDefinition, job: dg.JobDefinition
) -> dg.SensorDefinition:
    @dg.sensor(
        name=SENSOR,
        job=job,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts one run for every visit that has changed since the last look.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        after = int(context.cursor or 0)
        with Database(inbox, INBOX, private=True) as database:
            upto = newest_event(database)
            days = days_of_events(database, after, upto)
        if not days:
            return dg.SkipReason("no visit has changed since the last look")
        known = set(context.instance.get_dynamic_partitions(partitions.name or ""))
        new = [day for day in days if day not in known]
        run = dg.RunRequest(
            run_key=f"{after}-{upto}",
            run_config={"ops": {"write_visits": {"config": {"after": after, "upto": upto}}}},
            tags={"synthgrid/visits": f"{after + 1}-{upto}"},
        )
        requests = [partitions.build_add_request(new)] if new else []
        return dg.SensorResult([run], cursor=str(upto), dynamic_partitions_requests=requests)

    return watch
