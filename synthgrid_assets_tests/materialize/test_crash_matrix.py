"""Hundreds of kills at random instants, on a disk and in a bucket, under a reader that polls.

Each run makes the steps of a layer in a forked process that is killed without a word. Whatever
the instant: a reader sees whole files only, what was acknowledged stays committed, and the
next run makes again at most what was in flight. Slow: `make test-all`; SYNTHGRID_TEST_KILLS
sets the number.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid

import pyarrow.parquet as pq
import pytest

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import DamageError
from synthgrid_assets.materialize.run import make_tiles
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets_tests.materialize.test_run import STEPS, digests
from synthgrid_assets_tests.small_world import small_spec

FORK = multiprocessing.get_context("fork")
KILLS = {"disk": 500, "bucket": 200}
SETTINGS = Settings(workers=1, window=8)
S3 = "from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"


@pytest.fixture
def bucket(monkeypatch):
    """A server of its own process: a client's threads do not outlive a fork."""
    pytest.importorskip("obstore", reason="the extra `objects` is not installed")
    pytest.importorskip("moto.server", reason="moto's server is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-c", S3.format(port=port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            urllib.request.urlopen(urllib.request.Request(f"{address}/tiles", method="PUT")).close()
            break
        except OSError:
            time.sleep(0.1)
    else:
        pytest.fail("the server did not start")
    for name, value in {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield f"s3://tiles/{uuid.uuid4().hex}"
    server.kill()
    server.wait(60)


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


def read_all_the_time(root, url, pipe):
    """Reads each tile's file as soon as it is there; tells how many, and which were not whole.

    A file is read again when it was written again. Looking for them takes half of the time, as a
    server that answers one request at a time is the writer's as well.
    """
    os.environ["SYNTHGRID_STORE"] = url
    store, reads, broken, seen, took = Layout(root).store, 0, [], {}, 0.0
    while not pipe.poll(took):
        begun = time.monotonic()
        for key in [key for key in store.list() if key.endswith(".parquet") and "/w" in key]:
            try:
                found = store.stat(key)
                if found is None or seen.get(key) == found.stamp:
                    continue
                with store.open(key) as file:
                    pq.read_table(file, page_checksum_verification=True)
                reads, seen[key] = reads + 1, found.stamp
            except DamageError:
                pass  # removed or set aside meanwhile
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


def committed(root, url):
    """What a process of its own finds committed and whole."""
    ours, theirs = FORK.Pipe()

    def look():
        os.environ["SYNTHGRID_STORE"] = url
        with Journal(Layout(root)) as journal:
            damaged = [found.problem for found in journal.verify()]
            theirs.send(({(r.asset, r.tile) for r in journal.receipts()}, damaged))

    process = in_a_process(look)
    found = ours.recv()
    process.join(60)
    return found


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("where", KILLS)
def test_whenever_a_run_is_killed_readers_see_whole_files_and_the_next_one_goes_on(
    where, tmp_path, request
):
    kills = int(os.environ.get("SYNTHGRID_TEST_KILLS") or KILLS[where])
    draw, spec = random.Random(where), small_spec(tmp_path, tile=12)
    base = request.getfixturevalue("bucket") if where == "bucket" else ""
    done = worlds = reads = 0
    # here, so that no forked process compiles a kernel: they would all be killed at that
    run(spec, tmp_path / "whole", "", tmp_path / "told-whole")
    wanted = digests(spec, tmp_path / "whole")
    begun = time.monotonic()
    first = in_a_process(run, spec, tmp_path / "timed", base and f"{base}/0", tmp_path / "told-0")
    first.join(300)
    assert first.exitcode == 0
    lasts = time.monotonic() - begun
    while done < kills:
        worlds += 1
        root, told = tmp_path / f"data-{worlds}", tmp_path / f"told-{worlds}"
        url = f"{base}/{worlds}" if base else ""
        ours, theirs = FORK.Pipe()
        reader = in_a_process(read_all_the_time, root, url, theirs)
        while True:
            known, begun = len(acknowledged(told)), time.monotonic()
            process = in_a_process(run, spec, root, url, told)
            process.join(draw.uniform(0.0, lasts))
            if process.exitcode is None:
                os.kill(process.pid, signal.SIGKILL)
                done += 1
            process.join(60)
            before = acknowledged(told)
            # kills are to meet commits, however busy the machine is now
            if process.exitcode == 0:
                lasts = max(time.monotonic() - begun, lasts / 2)
            elif len(before) == known:
                lasts *= 1.1
            there, damaged = committed(root, url)
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
        assert broken == []
        assert max(acknowledged(told).values()) == 1  # nothing acknowledged was made again
        assert not list(root.rglob("*.partial"))
        if not base:
            assert digests(spec, root) == wanted
    print(  # noqa: T201
        f"{where}: {done} kills of runs of {lasts:.1f} s in {worlds} worlds, {reads} files read "
        "meanwhile"
    )
