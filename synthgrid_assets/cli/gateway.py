"""``synthgrid gateway``: serve, land, make keys, look at dead letters and replay them.

Belongs here: the commands. Not here: the service (`services.gateway`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from synthgrid_assets.cli.arguments import JsonOption
from synthgrid_assets.cli.printing import explained, print_json, print_rows, tell, warn
from synthgrid_assets.errors import GatewayError, SpecError
from synthgrid_assets.services.gateway.options import GatewayOptions, WorkerLimits
from synthgrid_assets.services.gateway.visits.rules import VisitRules
from synthgrid_assets.settings import INBOX_VARIABLE, data_root

KEYS_VARIABLE = "SYNTHGRID_GATEWAY_KEYS"
app = typer.Typer(
    help="Take in geometries, telemetry and geofence questions.", no_args_is_help=True
)

InboxOption = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar=INBOX_VARIABLE,
        help="The inbox: a file, or postgresql://user@host/database.",
    ),
]
DataOption = Annotated[
    str, typer.Option(metavar="URL", help="Data root: a folder or a store's address.")
]
HomeOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder for the gateway's own files.")
]
CollectionsOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="TOML file that declares collections.")
]
ZonesOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder of compiled zones for geofences.")
]
WorkersOption = Annotated[int, typer.Option(min=0, help="Landing workers to start along.")]
MemoryOption = Annotated[
    int,
    typer.Option(
        "--worker-memory", min=64, help="Megabytes that a worker may take, beyond its start."
    ),
]
LatenessOption = Annotated[
    float, typer.Option(min=0.0, help="Seconds by which a fix may come after younger ones.")
]
DwellOption = Annotated[
    float | None, typer.Option(min=0.0, help="Seconds in a zone that make a dwell event.")
]
SilenceOption = Annotated[
    float | None, typer.Option(min=0.0, help="Seconds without a fix that end a visit.")
]
PatienceOption = Annotated[
    float, typer.Option(min=0.0, help="Seconds that fixes of a silent device are waited for.")
]
KeepDaysOption = Annotated[
    float, typer.Option(min=0.0, help="Days that ended jobs are kept, without open dead letters.")
]
KeepJobsOption = Annotated[int, typer.Option(min=0, help="Ended jobs that are kept at most.")]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="Id of a job.")]


@app.command("serve")
@explained
def serve_command(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8088,
    inbox: InboxOption = "",
    data: DataOption = "",
    home: HomeOption = None,
    collections: CollectionsOption = None,
    zones: ZonesOption = None,
    workers: WorkersOption = 1,
    worker_memory: MemoryOption = 512,
    lateness: LatenessOption = 300.0,
    dwell: DwellOption = None,
    silence: SilenceOption = None,
    patience: PatienceOption = 3600.0,
    keep_days: KeepDaysOption = 30.0,
    keep_jobs: KeepJobsOption = 1_000_000,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Take unsigned requests where others reach it.")
    ] = False,
    grace: Annotated[float, typer.Option(min=1.0, help="Seconds to end what is in work.")] = 10.0,
) -> None:
    """Serve until Ctrl-C or SIGTERM. Keys are read from the file in SYNTHGRID_GATEWAY_KEYS."""
    from synthgrid_assets.services.gateway.serve import become_gateway

    become_gateway(
        GatewayOptions(
            data=_root(data),
            home=home,
            inbox=inbox,
            host=host,
            port=port,
            keys=_keys(),
            unsigned=unsigned,
            collections=collections,
            zones=zones,
            workers=workers,
            grace=grace,
            worker_limits=WorkerLimits(memory=worker_memory << 20),
            visits=VisitRules(lateness=lateness, dwell=dwell, silence=silence, patience=patience),
            keep_seconds=keep_days * 86_400.0,
            keep_jobs=keep_jobs,
        )
    )


@app.command("work")
@explained
def work_command(
    inbox: InboxOption = "",
    data: DataOption = "",
    home: HomeOption = None,
    collections: CollectionsOption = None,
    zones: ZonesOption = None,
    workers: WorkersOption = 1,
    worker_memory: MemoryOption = 512,
    lateness: LatenessOption = 300.0,
    dwell: DwellOption = None,
    silence: SilenceOption = None,
    patience: PatienceOption = 3600.0,
    keep_days: KeepDaysOption = 30.0,
    keep_jobs: KeepJobsOption = 1_000_000,
    grace: Annotated[float, typer.Option(min=1.0, help="Seconds to end what is in work.")] = 10.0,
) -> None:
    """Land what a gateway took in, on this machine, without serving."""
    from synthgrid_assets.services.gateway.serve import work

    options = GatewayOptions(
        data=_root(data),
        home=home,
        inbox=inbox,
        keys=_keys(),
        collections=collections,
        zones=zones,
        workers=workers,
        grace=grace,
        worker_limits=WorkerLimits(memory=worker_memory << 20),
        visits=VisitRules(lateness=lateness, dwell=dwell, silence=silence, patience=patience),
        keep_seconds=keep_days * 86_400.0,
        keep_jobs=keep_jobs,
    )
    if code := work(options):
        raise typer.Exit(code)


@app.command("mqtt")
@explained
def mqtt_command(
    broker: Annotated[str, typer.Argument(metavar="URL", help="mqtt://[user:password@]host")],
    topic: Annotated[str, typer.Option(help="What to subscribe to.")] = "owntracks/+/+",
    client: Annotated[str, typer.Option(help="Client whose devices these are.")] = "",
    inbox: InboxOption = "",
    data: DataOption = "",
    home: HomeOption = None,
) -> None:
    """Take in OwnTracks messages from a broker until Ctrl-C or SIGTERM."""
    from synthgrid_assets.services.gateway.log import start_log
    from synthgrid_assets.services.gateway.mqtt import MqttSubscriber

    start_log()
    options = GatewayOptions(data=_root(data), home=home, inbox=inbox)
    MqttSubscriber(options, broker, topic=topic, client=client).run()


@app.command("key")
@explained
def key_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The client.")],
    callback: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="An address that it may be told at; may be repeated."),
    ] = None,
    hook: Annotated[
        str | None, typer.Option(metavar="URL", help="Where it is told of zone events.")
    ] = None,
) -> None:
    """Make a client's secret and token; its last ones stay valid beside them."""
    from synthgrid_assets.services.gateway.receiving.clients import make_key

    path = _keys()
    if path is None:
        raise SpecError(f"name the file of keys in {KEYS_VARIABLE}; it is made if it is missing")
    made = make_key(path, name, callbacks=callback, hook=hook)
    tell(f"secret {made.secret}")
    tell(f"token  {made.token}")
    warn(f"the token is shown once; {path} keeps the secret, and is for its owner alone")


@app.command("zones")
@explained
def zones_command(
    layer: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A file of polygons, world:NAME/LAYER[:ASSET] or landed:COLLECTION.",
        ),
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of compiled zones.")],
    name: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column that names the zones.")
    ] = None,
    data: DataOption = "",
) -> None:
    """Compile zones; a running gateway that serves the folder takes the new version up."""
    from synthgrid_assets.services.gateway.geofence.sources import compile_source

    facts = compile_source(layer, folder, data=_root(data), name=name)
    tell(f"version {facts.version}")
    tell(f"zones   {facts.zones}")


@app.command()
@explained
def inspect(
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="Only of this job.")] = None,
    inbox: InboxOption = "",
    data: DataOption = "",
    home: HomeOption = None,
    most: Annotated[int, typer.Option("--limit", min=1, help="Rows at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Show dead letters: what did not land, where it was, and why."""
    from synthgrid_assets.records.database import Database
    from synthgrid_assets.services.gateway.inbox.ledger import Ledger
    from synthgrid_assets.services.gateway.inbox.tables import INBOX

    options = GatewayOptions(data=_root(data), home=home, inbox=inbox)
    with Database(options.database, INBOX, private=True, create=False) as database:
        letters = Ledger(database).dead_letters(job, most=most)
    rows = [
        {
            "job": job_id,
            "feature": letter.ordinal if letter.ordinal >= 0 else "body",
            "id": letter.feature_id or "",
            "offset": letter.offset,
            "bytes": letter.length,
            "reason": letter.reason,
            "detail": letter.detail,
        }
        for job_id, letter in letters
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_rows("dead letters", rows)
    else:
        tell("no dead letters")


@app.command()
@explained
def replay(
    job: JobArgument, inbox: InboxOption = "", data: DataOption = "", home: HomeOption = None
) -> None:
    """Send the dead letters of a job on their way again, as a new job."""
    from synthgrid_assets.records.database import Database
    from synthgrid_assets.services.gateway.inbox.bodies import Bodies
    from synthgrid_assets.services.gateway.inbox.replay import Replays
    from synthgrid_assets.services.gateway.inbox.tables import INBOX

    options = GatewayOptions(data=_root(data), home=home, inbox=inbox)
    with Database(options.database, INBOX, private=True, create=False) as database:
        try:
            new = Replays(database, Bodies(options.bodies, database)).replay(job)
        except GatewayError as error:
            raise SpecError(str(error)) from error
    tell(new)


def _root(data: str) -> str:
    return data or str(data_root())


def _keys() -> Path | None:
    given = os.environ.get(KEYS_VARIABLE)
    return Path(given) if given else None
