"""The gateway in the graph: what landed as partitions, a sensor, one run a burst, its checks.

Belongs here: how Dagster is told. Not here: landing and the checks' logic
(`services.gateway.landing`).
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from synthgrid_assets.dagster.keys import OWNERS
from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.ledger import Ledger
from synthgrid_assets.services.gateway.inbox.tables import INBOX
from synthgrid_assets.services.gateway.landing.verification import account, fragment_problem
from synthgrid_assets.storage.store import open_store

GROUP = "gateway"
JOB = "landed_by_the_gateway"
SENSOR = "watch_what_landed"
SOUND, BALANCED = "files_are_sound", "everything_is_accounted_for"
SECONDS = 10  # between two looks of the sensor
_BURST = 10_000  # files of one run
KINDS = {"geometries": "landed", "telemetry": "telemetry"}
_ABOUT = {
    "landed": "Features that the gateway took in, as GeoParquet by collection and tile.",
    "telemetry": "Positions that the gateway took in, as GeoParquet by day in UTC.",
}
_CLAIMS = {
    SOUND: "Each new file has the recorded bytes and rows, the columns of its kind, a reference "
    "system, and valid geometries. Exact.",
    BALANCED: "Accepted features are landed rows, dead letters, duplicates, or outside of the "
    "collection's box; landed ones are rows of recorded files. Exact.",
}


def gateway_definitions(data: str, inbox: str) -> dg.Definitions:
    """Assets, checks, job and sensor of one gateway.

    Parameters
    ----------
    data : str
        Its data root.
    inbox : str
        Its inbox, a file or an address.
    """
    partitions = {
        name: dg.DynamicPartitionsDefinition(name=f"{GROUP}_{name}") for name in KINDS.values()
    }
    job = _job(data, inbox)
    return dg.Definitions(
        assets=[
            dg.AssetSpec(
                _key(name),
                description=_ABOUT[name],
                group_name=GROUP,
                owners=OWNERS,
                kinds={"parquet"},
                partitions_def=definition,
            )
            for name, definition in partitions.items()
        ],
        asset_checks=[_balance(data, inbox, kind) for kind in KINDS],
        jobs=[job],
        sensors=[_sensor(inbox, partitions, job)],
    )


def partition_of(told: Mapping[str, Any]) -> str:
    """Partition of a landed file: collection and tile, or the day.

    Examples
    --------
    >>> partition_of({"collection": "parcels", "partition": "6-67-21"})
    'parcels/6-67-21'
    """
    return "/".join(part for part in (told["collection"], told["partition"]) if part)


def _key(name: str) -> dg.AssetKey:
    return dg.AssetKey([GROUP, name])


def _balance(data: str, inbox: str, kind: str) -> dg.AssetChecksDefinition:
    name = KINDS[kind]

    @dg.asset_check(asset=_key(name), name=BALANCED, description=_CLAIMS[BALANCED], blocking=False)
    def check() -> dg.AssetCheckResult:
        with Database(inbox, INBOX, private=True) as database:
            return dg.AssetCheckResult(**_balanced(database, kind))

    return check


def _balanced(database: Database, kind: str) -> dict[str, Any]:
    found = account(database, kind)
    shown = {name: str(value) for name, value in vars(found).items()}
    return {"passed": found.balanced, "metadata": shown}


def _job(data: str, inbox: str) -> dg.JobDefinition:
    @dg.op(
        name="tell_what_landed",
        config_schema={"after": int, "upto": int},
        description="Tells each partition that new files belong to, and verifies the files.",
    )
    def tell(context: dg.OpExecutionContext) -> None:
        after, upto = context.op_config["after"], context.op_config["upto"]
        store = open_store(data)
        with Database(inbox, INBOX, private=True) as database:
            ledger = Ledger(database)
            told = [row for row in ledger.fragments(after, _BURST) if row["sequence"] <= upto]
            problems: dict[str, list[str]] = defaultdict(list)
            for (kind, partition), rows in sorted(_by_partition(told).items()):
                context.log_event(_materialization(kind, partition, rows))
                problems[kind] += filter(None, (fragment_problem(store, row) for row in rows))
            for kind, found in problems.items():
                key = _key(KINDS[kind])
                shown = {"problems": "; ".join(found[:20])}
                for evaluation in (
                    dg.AssetCheckEvaluation(key, SOUND, not found, metadata=shown),
                    dg.AssetCheckEvaluation(key, BALANCED, **_balanced(database, kind)),
                ):
                    context.log_event(evaluation)  # type: ignore[arg-type]  # its body takes it

    @dg.job(name=JOB, description="One run for all that landed since the last one.")
    def landed() -> None:
        tell()

    return landed


def _by_partition(told: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in told:
        if row["kind"] in KINDS:
            found[row["kind"], partition_of(row)].append(row)
    return found


def _materialization(
    kind: str, partition: str, rows: list[dict[str, Any]]
) -> dg.AssetMaterialization:
    correlations = sorted({name for row in rows for name in row["correlations"]})
    return dg.AssetMaterialization(
        _key(KINDS[kind]),
        partition=partition,
        metadata={
            "dagster/row_count": sum(row["rows"] for row in rows),
            "size_bytes": str(sum(row["size"] for row in rows)),
            "files": [row["path"] for row in rows][:100],
            "correlations": correlations[:100],
        },
    )


def _sensor(
    inbox: str, partitions: Mapping[str, dg.DynamicPartitionsDefinition], job: dg.JobDefinition
) -> dg.SensorDefinition:
    @dg.sensor(
        name=SENSOR,
        job=job,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts one run for everything that landed since the last look.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        after = int(context.cursor or 0)
        with Database(inbox, INBOX, private=True) as database:
            told = Ledger(database).fragments(after, _BURST)
        if not told:
            return dg.SkipReason("nothing landed since the last look")
        upto = told[-1]["sequence"]
        requests = list(_new_partitions(context.instance, partitions, told))
        correlations = sorted({name for row in told for name in row["correlations"]})
        run = dg.RunRequest(
            run_key=f"{after}-{upto}",
            run_config={"ops": {"tell_what_landed": {"config": {"after": after, "upto": upto}}}},
            tags={
                "synthgrid/landed": f"{after + 1}-{upto}",
                "synthgrid/correlations": json.dumps(correlations[:20]),
            },
        )
        return dg.SensorResult([run], cursor=str(upto), dynamic_partitions_requests=requests)

    return watch


def _new_partitions(
    instance: dg.DagsterInstance,
    partitions: Mapping[str, dg.DynamicPartitionsDefinition],
    told: list[dict[str, Any]],
) -> Iterator[Any]:
    for kind, name in KINDS.items():
        definition = partitions[name]
        wanted = {partition_of(row) for row in told if row["kind"] == kind}
        known = set(instance.get_dynamic_partitions(definition.name or ""))
        if wanted - known:
            yield definition.build_add_request(sorted(wanted - known))
