"""Blocks over hosts: the same world whoever dies, freezes or works twice; nothing made again."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from dataclasses import replace

import pytest

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import EngineError, HostError, SchedulerLostError
from synthgrid_assets.materialize import plan
from synthgrid_assets.materialize.hosts import block as block_module
from synthgrid_assets.materialize.hosts import course
from synthgrid_assets.materialize.hosts.cluster import open_cluster
from synthgrid_assets.materialize.hosts.course import HostWork, make_on_hosts
from synthgrid_assets.materialize.run import TileFailed, make_tiles
from synthgrid_assets.materialize.tile import make_tile
from synthgrid_assets.products.open_layer import open_layer
from synthgrid_assets.products.registry import products_named
from synthgrid_assets.reports.digests import region_digest
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.leases import Leases
from synthgrid_assets_tests.materialize.hosts.thread_cluster import ThreadCluster
from synthgrid_assets_tests.small_world import small_spec

NAMES = ("points",)
SETTINGS = Settings(workers=1, backoff=0.01)


@pytest.fixture
def spec(tmp_path):
    return small_spec(tmp_path)


@pytest.fixture(scope="module")
def inline():
    with EngineSession(SETTINGS, executor="inline") as session:
        yield session


@pytest.fixture
def computed(monkeypatch, inline):
    """How often each tile was computed; hosts share one pool in this process."""
    counts = Counter()
    make = plan.make_or_split

    def counted(job, products, key):
        counts[key] += 1
        return make(job, products, key)

    @contextlib.contextmanager
    def session(*_, **__):
        yield inline

    monkeypatch.setattr(plan, "make_or_split", counted)
    monkeypatch.setattr(block_module, "host_session", session)
    return counts


@pytest.fixture
def cluster():
    made = ThreadCluster()
    yield made
    made.close()


def make(cluster, spec, root, lease=60.0, names=NAMES, tiles=None, force=False, pictures=False):
    context = open_layer(spec, "cafes", root)
    context = context.with_pictures() if pictures else context
    work = HostWork("run", SETTINGS, lease=lease)
    tiles = list(spec.world.tiling) if tiles is None else tiles
    with Journal(context.layout) as journal:
        products = products_named(*names)
        return list(
            make_on_hosts(lambda: cluster, work, journal, context, products, tiles, force=force)
        )


@pytest.fixture
def wanted(spec, tmp_path, inline):
    """The digest of one process."""
    context = open_layer(spec, "cafes", tmp_path / "alone")
    with Journal(context.layout) as journal:
        tiles = list(spec.world.tiling)
        list(make_tiles(inline, journal, context, products_named(*NAMES), tiles))
    return region_digest(spec, tmp_path / "alone", "cafes", "points")


def test_blocks_are_of_ten_to_fifty_tiles_where_there_are_tiles_for_all():
    for places in (1, 3, 8, 64):
        for tiles in (1, 9, 36, 500, 10_000):
            size = course.block_size(tiles, places)
            assert 1 <= size <= 50
            assert size >= 10 or size * places >= tiles > (size - 1) * places


@pytest.mark.parametrize("address", ["dask", "dask://", "ray://host:1"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(EngineError, match=r"is no address of a cluster; give (dask|ray)://host:po"):
        open_cluster(address)


def test_hosts_make_the_world_of_one_process_and_keep_it(cluster, spec, tmp_path, computed, wanted):
    computed.clear()
    first = make(cluster, spec, tmp_path / "data")
    assert [o.kept for o in first] == [False] * 36
    assert {o.tile for o in first} == {tile.key for tile in spec.world.tiling}
    assert set(computed.values()) == {1}
    again = make(cluster, spec, tmp_path / "data")
    assert [o.kept for o in again] == [True] * 36
    assert set(computed.values()) == {1}
    assert region_digest(spec, tmp_path / "data", "cafes", "points") == wanted
    forced = make(cluster, spec, tmp_path / "data", force=True)
    assert [o.kept for o in forced] == [False] * 36
    assert set(computed.values()) == {2}


def test_a_block_that_runs_twice_computes_once(cluster, spec, tmp_path, computed):
    """A scheduler that loses a finished result runs the block again; with force as well."""
    cluster.twice = True
    for times, force in ((1, False), (2, True)):
        make(cluster, spec, tmp_path / "data", force=force)
        assert set(computed.values()) == {times}


def test_pictures_come_home_with_the_blocks_that_drew_them(cluster, spec, tmp_path, computed):
    plain = make(cluster, spec, tmp_path / "data")
    assert not any(made.receipts[0].png for made in plain)
    job = open_layer(spec, "cafes", tmp_path / "alone").with_pictures().job
    alone = {
        tile.key: make_tile(job, products_named(*NAMES), tile.key)[0].png
        for tile in spec.world.tiling
    }
    assert any(alone.values())
    drawn = make(cluster, spec, tmp_path / "data", force=True, pictures=True)
    assert {made.tile: made.receipts[0].png for made in drawn} == alone


def test_a_picture_that_is_lost_with_its_block_is_no_loss(
    cluster, spec, tmp_path, computed, monkeypatch
):
    def lost(key):
        raise OSError("the result is gone")

    monkeypatch.setattr(cluster, "_report", lost)
    made = make(cluster, spec, tmp_path / "data", pictures=True)
    assert len(made) == 36
    assert not any(isinstance(one, TileFailed) or one.receipts[0].png for one in made)


def test_a_damaged_tile_is_made_again_and_its_old_record_is_no_outcome(
    cluster, spec, tmp_path, computed
):
    first = make(cluster, spec, tmp_path / "data")
    damaged = first[5].receipts[0]
    (tmp_path / "data" / damaged.path).write_bytes(b"damaged")
    again = make(cluster, spec, tmp_path / "data")
    assert [o.tile for o in again if not o.kept] == [damaged.tile]
    assert computed[damaged.tile] == 2
    assert sum(computed.values()) == 37


def test_a_tile_that_fails_is_named_and_the_others_are_made(
    cluster, spec, tmp_path, computed, monkeypatch
):
    make_or_split, poison = plan.make_or_split, list(spec.world.tiling)[7].key

    def fails(job, products, key):
        if key == poison:
            raise ValueError("of all tiles, this one")
        return make_or_split(job, products, key)

    monkeypatch.setattr(plan, "make_or_split", fails)
    outcomes = make(cluster, spec, tmp_path / "data")
    assert len(outcomes) == 36
    (failed,) = [o for o in outcomes if isinstance(o, TileFailed)]
    assert (failed.tile, str(failed.error)) == (poison, "of all tiles, this one")
    assert set(computed.values()) == {1}


def test_a_host_that_dies_costs_what_it_had_not_settled(
    cluster, spec, tmp_path, computed, monkeypatch, wanted
):
    """It dies after some tiles; another host gets its block as soon as it is seen to be gone."""
    computed.clear()
    settled_then = set()
    record, dying, settled = block_module._Work._record, threading.Lock(), set()

    def dies(self, receipts, *how):
        if self._host == "host-0" and "host-0" not in cluster.dead and settled:
            with dying:
                cluster.dead.add("host-0")
                settled_then.update(settled)
                self._leases.release = lambda _: 0  # the dead give nothing back
        if self._host in cluster.dead:
            raise WorkerKilled
        record(self, receipts, *how)
        settled.update(receipt.tile for receipt in receipts)

    class WorkerKilled(BaseException):
        pass

    def killed(*arguments):
        with contextlib.suppress(WorkerKilled):
            return make_block(*arguments)

    make_block = block_module.make_block
    monkeypatch.setattr(
        "synthgrid_assets_tests.materialize.hosts.thread_cluster.make_block", killed
    )
    monkeypatch.setattr(block_module._Work, "_record", dies)
    outcomes = make(cluster, spec, tmp_path / "data")  # a minute's lease is not waited for
    assert sorted(o.tile for o in outcomes) == sorted(t.key for t in spec.world.tiling)
    assert region_digest(spec, tmp_path / "data", "cafes", "points") == wanted
    assert cluster.dead == {"host-0"}
    twice = {tile for tile, times in computed.items() if times > 1}
    assert twice
    assert not twice & settled_then  # what was on record stays
    assert max(computed.values()) == 2


def test_a_host_frozen_past_its_lease_records_nothing_when_it_thaws(
    cluster, spec, tmp_path, computed, monkeypatch, wanted
):
    computed.clear()
    record, renew = block_module._Work._record, Leases.renew
    frozen, thaw, refused = threading.Event(), threading.Event(), []

    def freezes(self, receipts, *how):
        if self._host == "host-0" and not frozen.is_set():
            frozen.set()
            self._leases.renew = lambda *_: 1
            cluster.silent = {"host-0"}
            assert thaw.wait(60)
            try:
                record(self, receipts, *how)
            except Exception as error:
                refused.append(type(error).__name__)
                raise
        else:
            record(self, receipts, *how)

    def renews(self, *arguments):
        return renew(self, *arguments)

    monkeypatch.setattr(block_module._Work, "_record", freezes)
    monkeypatch.setattr(Leases, "renew", renews)
    outcomes = make(cluster, spec, tmp_path / "data", lease=0.6)
    thaw.set()
    cluster.close()
    assert len(outcomes) == 36
    assert not any(isinstance(o, TileFailed) for o in outcomes)
    assert refused == ["LeaseLostError"]
    assert set(cluster.avoided) == {"host-0"}
    assert region_digest(spec, tmp_path / "data", "cafes", "points") == wanted


def test_without_a_scheduler_hosts_finish_and_the_next_run_makes_only_the_rest(
    spec, tmp_path, computed
):
    class Lost(ThreadCluster):
        def ended(self, seconds):
            found = super().ended(seconds)
            if found or computed:
                raise SchedulerLostError("gone")
            return found

    lost, other = Lost(), ThreadCluster()
    with pytest.raises(SchedulerLostError):
        make(lost, spec, tmp_path / "data")
    outcomes = make(other, spec, tmp_path / "data", lease=0.6)
    for cluster in (lost, other):
        cluster.close()
    assert len(outcomes) == 36
    assert set(computed.values()) == {1}


def test_two_runs_at_once_share_the_tiles(spec, tmp_path, computed):
    outcomes = {}

    def run(name):
        cluster = ThreadCluster()
        outcomes[name] = make(cluster, spec, tmp_path / "data", lease=0.6)
        cluster.close()

    runs = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for one in runs:
        one.start()
    for one in runs:
        one.join(60)
    assert [len(outcomes[name]) for name in "ab"] == [36, 36]
    assert set(computed.values()) == {1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"versions": (("numpy", "1.0"),)}, r"has numpy .*, not 1.0: install there"),
        ({"store": "another"}, "is another store than the run's: set SYNTHGRID_STORE there"),
        ({"course": "nowhere"}, "has not begun: set SYNTHGRID_JOURNAL there"),
    ],
)
def test_a_host_that_is_set_up_otherwise_ends_the_run_with_what_to_do(
    cluster, spec, tmp_path, computed, monkeypatch, changes, message
):
    make_block = block_module.make_block
    monkeypatch.setattr(
        "synthgrid_assets_tests.materialize.hosts.thread_cluster.make_block",
        lambda block, host: make_block(replace(block, **changes), host),
    )
    with pytest.raises(HostError, match=message):
        make(cluster, spec, tmp_path / "data")
    assert not computed
