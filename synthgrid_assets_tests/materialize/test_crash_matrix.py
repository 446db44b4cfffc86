"""Hundreds of kills at random instants, on a disk and in a bucket, under a reader that polls.

Each run makes the steps of a layer in a forked process that is killed without a word. Whatever
the instant: a reader sees whole files only, what was acknowledged stays committed, and the
next run makes again at most what was in flight. Slow: `make test-all`; SYNTHGRID_TEST_KILLS
sets the number.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import re
import signal
import time
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.materialize.run import make_tiles
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets_tests.materialize.test_run import STEPS, digests
from synthgrid_assets_tests.s3_server import BUCKET, server_process, use_server
from synthgrid_assets_tests.small_world import small_spec

MOST_BETWEEN = 12  # tiles of steps, of 60, that a run makes before it is killed
FORK = multiprocessing.get_context("fork")
KILLS = {"disk": 500, "bucket": 200}
SETTINGS = Settings(workers=1, window=8)


@pytest.fixture
def bucket(monkeypatch):
    """A server of its own process: a client's threads do not outlive a fork."""
    pytest.importorskip("obstore", reason="the extra `objects` is not installed")
    with server_process() as address:
        use_server(monkeypatch, address)
        yield f"s3://{BUCKET}/{uuid.uuid4().hex}"


def run(spec, root, url, told):
    """A whole run in this process; writes how many tiles it has acknowledged, and made again."""
    os.environ["SYNTHGRID_STORE"] = url
    context = open_layer(spec, "cafes", root)
    with (
        Journal(context.layout) as journal,
        EngineSession(SETTINGS, executor="inline") as session,
        told.open("a", buffering=1) as file,
    ):
        for names in STEPS:
            products = products_named(*names)
            for made in make_tiles(session, journal, context, products, spec.world.tiling):
                file.write(json.dumps([names[0], made.tile, made.kept]) + "\n")


class OnDisk:
    """The tiles' files below a folder, as the system shows them: no code of ours is asked."""

    def __init__(self, root):
        self.root = root

    def look(self):
        """Each file, with something that changes when it is written."""
        found = ((path, path.stat()) for path in self.root.rglob("w*/*.parquet"))
        return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in found}

    def content(self, path):
        return path.read_bytes()


class InBucket:
    """The tiles' objects below a prefix, as the client lists them."""

    def __init__(self, url):
        import obstore

        self.client = obstore
        self.store = obstore.store.from_url(url, client_options={"allow_http": True})

    def look(self):
        listed = (entry for batch in self.client.list(self.store) for entry in batch)
        tiles = (one for one in listed if re.search(r"/w\d+/.*\.parquet$", one["path"]))
        return {one["path"]: (one["e_tag"], one["last_modified"]) for one in tiles}

    def content(self, key):
        return bytes(self.client.get(self.store, key).bytes())


def read_all_the_time(root, url, pipe):
    """Reads each tile's file as soon as it is there; tells how many, and which were not whole.

    A file is read again when it was written again. Looking for them takes half of the time, as a
    server that answers one request at a time is the writer's as well.
    """
    place = InBucket(url) if url else OnDisk(root)
    reads, broken, seen, took = 0, [], {}, 0.0
    while not pipe.poll(took):
        begun = time.monotonic()
        with contextlib.suppress(FileNotFoundError):  # removed, or set aside, meanwhile
            for key, stamp in place.look().items():
                if seen.get(key) == stamp:
                    continue
                try:
                    data = pa.BufferReader(place.content(key))
                    pq.read_table(data, page_checksum_verification=True)
                    reads, seen[key] = reads + 1, stamp
                except FileNotFoundError:
                    raise
                except Exception as error:
                    broken.append(f"{key}: {error}")
        took = time.monotonic() - begun
    pipe.send((reads, broken[:5]))


def acknowledged(told):
    """What runs have told so far: each step of a tile, and how often it was made."""
    lines = told.read_text().splitlines() if told.exists() else []
    found = {}
    for line in lines:
        try:
            step, tile, kept = json.loads(line)
        except json.JSONDecodeError:
            continue  # the last words of a killed process
        found[step, tile] = found.get((step, tile), 0) + (not kept)
    return found


def in_a_process(target, *arguments):
    process = FORK.Process(target=target, args=arguments)
    process.start()
    return process


def asked(question, *arguments, url):
    """The answer of a process of its own, as a client's threads do not outlive a fork."""
    ours, theirs = FORK.Pipe()

    def answer():
        os.environ["SYNTHGRID_STORE"] = url
        theirs.send(question(*arguments))

    process = in_a_process(answer)
    found = ours.recv()
    process.join(60)
    return found


def committed(root):
    """What is committed, and what of it is not whole: every file is read."""
    with Journal(Layout(root)) as journal:
        damaged = [found.problem for found in journal.verify()]
        return {(r.asset, r.tile) for r in journal.receipts()}, damaged


def wait_for_an_instant(process, told, draw, lasts):
    """Wait until a random instant of a run, most often soon after some tile's commit.

    A time since its start alone would seldom meet a commit once most tiles are kept.
    """
    if draw.random() < 0.25:
        process.join(draw.uniform(0.0, lasts))
        return
    wanted = made(told) + draw.randrange(MOST_BETWEEN)
    while process.exitcode is None and made(told) <= wanted:
        process.join(0.003)
    process.join(draw.uniform(0.0, lasts / 20))


def made(told):
    """How many tiles of steps were acknowledged as made."""
    return told.read_bytes().count(b"false]") if told.exists() else 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("where", KILLS)
def test_whenever_a_run_is_killed_readers_see_whole_files_and_the_next_one_goes_on(
    where, tmp_path, request
):
    kills = int(os.environ.get("SYNTHGRID_TEST_KILLS") or KILLS[where])
    draw, spec = random.Random(where), small_spec(tmp_path, tile=12)
    base = request.getfixturevalue("bucket") if where == "bucket" else ""
    done, worlds, reads, tiles = 0, 0, 0, len(list(spec.world.tiling))
    # here, so that no forked process compiles a kernel: they would all be killed at that
    run(spec, tmp_path / "whole", "", tmp_path / "told-whole")
    wanted = digests(spec, tmp_path / "whole")
    began = time.monotonic()
    first = in_a_process(run, spec, tmp_path / "timed", base and f"{base}/0", tmp_path / "told-0")
    first.join(300)
    assert first.exitcode == 0
    lasts = time.monotonic() - began
    while done < kills:
        worlds += 1
        root, told = tmp_path / f"data-{worlds}", tmp_path / f"told-{worlds}"
        url = f"{base}/{worlds}" if base else ""
        ours, theirs = FORK.Pipe()
        reader = in_a_process(read_all_the_time, root, url, theirs)
        while True:
            known, started = made(told), time.monotonic()
            process = in_a_process(run, spec, root, url, told)
            wait_for_an_instant(process, told, draw, lasts)
            if process.exitcode is None:
                os.kill(process.pid, signal.SIGKILL)
                done += 1
            process.join(60)
            if (new := made(told) - known) >= MOST_BETWEEN // 2:  # the machine is as busy as now
                whole = (time.monotonic() - started) * len(STEPS) * tiles / new
                lasts += (whole - lasts) / 4
            before = acknowledged(told)
            there, damaged = asked(committed, root, url=url)
            assert damaged == []
            assert {(step, tile) for step, tile in before} <= there
            if process.exitcode == 0 or done >= kills:
                break
        process = in_a_process(run, spec, root, url, told)
        process.join(300)
        assert process.exitcode == 0
        ours.send("end")
        read, broken = ours.recv()
        reader.join(60)
        reads += read
        print(f"{done} kills in {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
        assert broken == []
        assert read > 0
        assert max(acknowledged(told).values()) == 1  # nothing acknowledged was made again
        assert not list(root.rglob("*.partial"))
        assert asked(digests, spec, root, url=url) == wanted
    print(  # noqa: T201
        f"{where}: {done} kills of runs of {lasts:.1f} s in {worlds} worlds, {reads} files read "
        f"meanwhile, {time.monotonic() - began:.0f} s"
    )
