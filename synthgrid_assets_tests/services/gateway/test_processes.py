"""Real processes, really killed: each accepted delivery ends as rows or dead letters, once."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from synthgrid_assets.records.database import Database
from synthgrid_assets.services.gateway.inbox.intake import Intake
from synthgrid_assets.services.gateway.inbox.ledger import Ledger
from synthgrid_assets.services.gateway.inbox.tables import INBOX
from synthgrid_assets.services.gateway.inbox.work_queue import WorkQueue
from synthgrid_assets.services.gateway.landing.processes.process_limits import ENVIRONMENT
from synthgrid_assets.services.gateway.options import GatewayOptions, WorkerLimits
from synthgrid_assets_tests.databases import postgres_address
from synthgrid_assets_tests.services.gateway.deliveries import delivery
from synthgrid_assets_tests.services.gateway.served import free_port

POISONED = "synthgrid_assets_tests.services.gateway.poisoned"


def feature(n, **properties):
    spot = {"type": "Point", "coordinates": [n % 3 + 0.5, n % 2 + 0.5]}
    return {"type": "Feature", "id": n, "geometry": spot, "properties": {"n": n} | properties}


def collection(features):
    return json.dumps({"type": "FeatureCollection", "features": list(features)}).encode()


def rows_below(root: Path):
    """``(job, ordinal)`` of every row that readers see."""
    for file in root.glob("landed/*/*/*.parquet"):
        table = pq.read_table(file, columns=["job", "ordinal"], partitioning=None)
        yield from zip(table["job"].to_pylist(), table["ordinal"].to_pylist(), strict=True)


def wait_for(condition, seconds=90.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)
    return found


@pytest.mark.timeout(240)
def test_features_that_end_their_workers_are_found_and_their_neighbours_land(tmp_path):
    limits = WorkerLimits(seconds=1.5, memory=200 << 20)
    options = GatewayOptions(str(tmp_path), workers=2, worker_limits=limits)
    database = Database(options.database, INBOX)
    ledger, bodies, poison = Ledger(database), [], ("hang", "memory", "crash")
    for n, kind in enumerate((None, *poison)):
        features = [feature(k) for k in range(300)]
        if kind:
            features[37 * n] = feature(37 * n, poison=kind)
        bodies.append(delivery(str(kind), collection(features)))
    jobs = [accepted.id for accepted in Intake(database).put(bodies)]
    command = [sys.executable, "-m", POISONED, options.to_json(), str(os.getpid())]
    environment = {**os.environ, **ENVIRONMENT}
    with (
        (tmp_path / "log.txt").open("wb") as log,
        subprocess.Popen(command, stderr=log, env=environment) as supervisor,
    ):
        try:
            wait_for(lambda: all(ledger.status(job).finished for job in jobs), 200.0)
        finally:
            supervisor.terminate()
    assert supervisor.returncode == 0
    reasons = ("timed_out", "out_of_memory", "worker_crashed")
    rows = Counter(job for job, _ in rows_below(tmp_path))
    assert rows == {job: 300 - (n > 0) for n, job in enumerate(jobs)}
    for n, (job, reason) in enumerate(zip(jobs[1:], reasons, strict=True), 1):
        assert ledger.status(job).state == "successful"
        ((_, letter),) = ledger.dead_letters(job)
        assert (letter.ordinal, letter.feature_id, letter.reason) == (37 * n, str(37 * n), reason)
    database.close()


class Gateway:
    """A gateway in processes of its own, that can be killed in parts."""

    def __init__(self, folder: Path, inbox: str = "", workers: int = 2) -> None:
        self.options = GatewayOptions(str(folder), inbox=inbox, port=free_port(), workers=workers)
        self.log = folder / "log.txt"
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        program = "from synthgrid_assets.cli import main; main()"
        command = [sys.executable, "-c", program, "gateway", "serve"]
        command += ["--port", str(self.options.port), "--data", self.options.data]
        command += ["--workers", str(self.options.workers)]
        command += ["--inbox", self.options.inbox] if self.options.inbox else []
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, start_new_session=True)

    def parts(self, what: str) -> list[int]:
        """Process ids of the gateway, its supervisor or its workers."""
        gateway = [self.process.pid]
        supervisors = children(gateway)
        return {"gateway": gateway, "supervisor": supervisors, "worker": children(supervisors)}[
            what
        ]

    def kill(self, what: str) -> None:
        chosen = (
            self.parts(what)
            if what != "all"
            else [pid for part in ("gateway", "supervisor", "worker") for pid in self.parts(part)]
        )
        for pid in chosen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if what in ("gateway", "all"):
            self.process.wait()
            self.start()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(40)


def ready(port):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as line:
        line.request("GET", "/readyz")
        return json.loads(line.getresponse().read())


def children(parents):
    found = []
    for pid in parents:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            found += [int(child) for child in text.split()]
            for task in Path(f"/proc/{pid}/task").iterdir():
                if task.name != str(pid):
                    found += [int(child) for child in (task / "children").read_text().split()]
    return found


class Load:
    """Clients that send until they are told to stop, and repeat what was not answered."""

    def __init__(self, port: int, clients: int = 3) -> None:
        self.port = port
        self.accepted: dict[str, str] = {}  # key to job
        self.codes: Counter[int] = Counter()
        self._numbers = itertools.count()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @staticmethod
    def body(n: int) -> bytes:
        features = [feature(n * 10 + k) for k in range(4)]
        if n % 10 == 3:
            features[1]["geometry"]["coordinates"] = [500, 0]
        body = collection(features)
        if n % 12 == 7:
            body = body[:-2]
        return body + b" " * 80_000 if n % 15 == 4 else body

    @staticmethod
    def expected(n: int) -> tuple[int, int]:
        """Rows and dead letters of a body."""
        if n % 12 == 7:
            return 0, 1
        return (3, 1) if n % 10 == 3 else (4, 0)

    def _send(self) -> None:
        while not self._ended.is_set():
            n = next(self._numbers)
            while True:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
                    headers = {"content-type": "application/geo+json", "idempotency-key": f"k{n}"}
                    line.request("POST", "/collections/c/items", self.body(n), headers)
                    answer = line.getresponse()
                    content = answer.read()
                    self.codes[answer.status] += 1
                    if answer.status == 202:
                        self.accepted[f"k{n}"] = json.loads(content)["jobID"]
                        break
                if self._ended.is_set() and f"k{n}" not in self.accepted:
                    break  # never answered: nothing was promised
                time.sleep(random.uniform(0.0, 0.2))
            time.sleep(0.01)


def survives(folder: Path, kills, inbox: str = "") -> None:
    """Load, kills, drain: then each 202 is rows or dead letters, none missing, none twice."""
    gateway = Gateway(folder, inbox)
    gateway.start()
    load = Load(gateway.options.port)
    try:
        wait_for(lambda: len(load.accepted) > 20)
        wait_for(lambda: gateway.parts("worker"))
        for what, pause in kills:
            time.sleep(pause)
            gateway.kill(what)
        time.sleep(0.5)
        load.stop()
        database = Database(gateway.options.database, INBOX)
        queue, ledger = WorkQueue(database), Ledger(database)
        wait_for(lambda: queue.depth().total == 0 and not ledger.unpublished(), 150.0)
    finally:
        load.stop()
        gateway.stop()
    landed = Counter(rows_below(folder))
    assert set(landed.values()) <= {1}, "a row landed twice"
    rows = Counter(job for job, _ in landed)
    for key, job in load.accepted.items():
        expected, letters = load.expected(int(key[1:]))
        assert ledger.status(job).finished, f"{key} was accepted and not ended"
        assert rows[job] == expected, f"rows of {key} are missing"
        assert len(ledger.dead_letters(job)) == letters
    assert set(load.codes) <= {202, 500, 503}
    database.close()


@pytest.mark.timeout(280)
def test_nothing_is_lost_or_doubled_by_kills_under_load(tmp_path):
    survives(tmp_path, [("worker", 0.5), ("worker", 0.7), ("all", 0.5)])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_nothing_is_lost_or_doubled_by_fifty_kills(tmp_path, kind):
    draw = random.Random(50)
    parts = ("gateway", "worker", "supervisor", "all")
    kills = [(draw.choice(parts), draw.uniform(0.1, 5.0)) for _ in range(50)]
    if kind == "sqlite":
        survives(tmp_path, kills)
    else:
        address = postgres_address()
        try:
            survives(tmp_path, kills, next(address))
        finally:
            list(address)


@pytest.mark.timeout(120)
def test_a_gateway_that_is_asked_to_end_ends_what_is_in_work(tmp_path):
    gateway = Gateway(tmp_path, workers=1)
    gateway.start()
    load = Load(gateway.options.port, clients=2)
    wait_for(lambda: len(load.accepted) > 30)
    supervisors = wait_for(lambda: gateway.parts("supervisor"))
    wait_for(lambda: ready(gateway.options.port)["landing"] == "ready")
    began = time.monotonic()
    gateway.process.send_signal(signal.SIGTERM)
    code = gateway.process.wait(30)
    load.stop()
    assert code in (0, -signal.SIGTERM)
    assert time.monotonic() - began < 25
    assert not [pid for pid in supervisors if Path(f"/proc/{pid}/exe").exists()]
    with Database(replace(gateway.options).database, INBOX) as database:
        ledger = Ledger(database)
        assert all(ledger.status(job) for job in load.accepted.values())
        assert WorkQueue(database).depth().leased == 0
    lines = [json.loads(line) for line in gateway.log.read_text().splitlines()]
    told = [line["event"] for line in lines]
    assert told.index("preparing to land") < told.index("ready to land")
    assert told[-1] == "stopped"
    ended = {line["job"] for line in lines if line["event"] == "job ended"}
    assert ended <= set(load.accepted.values())  # what the rehearsal lands is nobody's
