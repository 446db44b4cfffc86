"""The course of a step on many hosts: blocks out, settled tiles home from the journal.

Belongs here: which blocks there are, when one is sent again, and what a tile's end is. Not
here: what a host does (`block`), how blocks travel (`cluster`).

Nothing of a tile comes home by the cluster but its failure and its picture, without which it
is as good. So a block may be lost, sent twice, or run again by a scheduler that lost its
result: whoever holds the tile's lease makes it, and what was settled once is never made again.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import HostError, SchedulerLostError, StorageError
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.foreign_files import writing_tiles
from synthgrid_assets.materialize.hosts.block import Block, BlockReport, tile_name
from synthgrid_assets.materialize.hosts.cluster import Cluster, Ended
from synthgrid_assets.materialize.run import TileFailed, TileMade, kept_tiles, tidy_up
from synthgrid_assets.materialize.tile_order import Selection
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import Product
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.leases import Leases
from synthgrid_assets.storage.server_journal import store_name

SMALLEST, LARGEST = 10, 50  # tiles of a block: a scheduler takes milliseconds for each block
BLOCKS_A_PLACE = 4  # at least, where there are tiles enough: the last ones end together
LEASE = 30.0  # seconds
WATCHES = 3  # looks at the hosts before a lease ends
PATIENCE = 0.5  # seconds, at most, until the next look

Outcome = TileMade | TileFailed


@dataclass(frozen=True)
class HostWork:
    """What is asked of hosts.

    Parameters
    ----------
    run : str
    settings : Settings
        Of the engine of each host.
    all_cores : bool
        Whether a host has a worker for each of its cores.
    lease : float
        Seconds after which a silent host has lost its tiles.
    """

    run: str
    settings: Settings
    all_cores: bool = True
    lease: float = LEASE


def make_on_hosts(
    cluster: Callable[[], Cluster],
    work: HostWork,
    journal: Journal,
    context: LayerContext,
    products: tuple[Product, ...],
    tiles: Iterable[Tile],
    *,
    force: bool = False,
) -> Iterator[Outcome]:
    """Make some products of a layer on the hosts of a cluster; as `make_tiles` otherwise.

    Parameters
    ----------
    cluster : callable
        Gives the cluster; called once, where there is something to make.
    work : HostWork
    journal, context, products, tiles, force
        As for `make_tiles`.

    Raises
    ------
    HostError
        If a host cannot make tiles as it is set up.
    SchedulerLostError
        If the cluster is gone: what is committed stays, and another run makes the rest.
    """
    chosen = list(tiles)
    tidy_up(journal, context, products)
    kept = set()
    for made in () if force else kept_tiles(journal, context, products, chosen):
        kept.add(made.tile)
        yield made
    missing = [tile for tile in chosen if tile.key not in kept]
    if not missing:
        return
    hosts = cluster()
    for product in products:
        product.prepare(context, missing)
    first = Block(
        context.job,
        products,
        (),
        work.run,
        uuid.uuid4().hex,
        store_name(context.layout.store),
        work.settings,
        work.all_cores,
        work.lease,
        force,
    )
    leases = Leases(journal.database, first.course)
    leases.begin()
    course = _Course(hosts, leases, journal, context, first)
    with writing_tiles(context, products), _leased(course, leases):
        yield from course.outcomes(Selection(chosen).rim_first(missing))


@contextlib.contextmanager
def _leased(course: _Course, leases: Leases) -> Iterator[None]:
    """End the leases with the block, also where it is left in the middle.

    Without its scheduler they stay: hosts finish what they have begun, and another run waits
    for it instead of making it a second time.
    """
    try:
        yield
    except SchedulerLostError:
        raise
    except BaseException:
        course.forget_all()
        with contextlib.suppress(StorageError):  # the first error is the one to tell
            leases.end()
        raise
    leases.end()


def block_size(tiles: int, places: int) -> int:
    """Tiles of a block.

    Examples
    --------
    >>> block_size(36, 4), block_size(400, 4), block_size(10_000, 4)
    (9, 25, 50)
    """
    wanted = -(-tiles // (BLOCKS_A_PLACE * places))
    return min(max(wanted, SMALLEST), LARGEST, max(-(-tiles // places), 1))


@dataclass(frozen=True)
class _Sent:
    """A block that is out, and how many of its tries have failed."""

    block: Block
    failures: int = 0


@dataclass(frozen=True)
class _Later:
    """A block that is sent when its time has come."""

    due: float
    sent: _Sent


class _Course:
    """The blocks of one step."""

    def __init__(
        self,
        cluster: Cluster,
        leases: Leases,
        journal: Journal,
        context: LayerContext,
        pattern: Block,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster, self._leases, self._journal = cluster, leases, journal
        self._context, self._pattern, self._clock = context, pattern, clock
        self._out: dict[str, _Sent] = {}
        self._later: deque[_Later] = deque()
        self._open: set[str] = set()  # tiles without an outcome
        self._numbers = 0
        self._watched = clock()

    def outcomes(self, tiles: list[Tile]) -> Iterator[Outcome]:
        """Every tile's outcome, once."""
        self._open = {tile.key for tile in tiles}
        size = block_size(len(tiles), self._cluster.places)
        for start in range(0, len(tiles), size):
            keys = tuple(tile.key for tile in tiles[start : start + size])
            self._send(_Sent(replace(self._pattern, keys=keys)))
        while self._open:
            for ended in self._cluster.ended(self._pause()):
                sent = self._out.pop(ended.key, None)
                if sent is not None:
                    yield from self._settle(sent, ended)
            self._send_what_is_due()
            if self._clock() >= self._watched + self._pattern.lease / WATCHES:
                self._watch()

    def forget_all(self) -> None:
        """Take back what is still out."""
        for key in list(self._out):
            self._cluster.forget(key)
        self._out.clear()

    def _send(self, sent: _Sent, avoid: frozenset[str] = frozenset()) -> None:
        block = sent.block
        self._numbers += 1
        # a scheduler gives the result of the first block that ever had a key
        key = f"synthgrid-{block.course}-{block.step}-{block.code_version[:40]}-{self._numbers}"
        self._out[key] = sent
        self._cluster.submit(key, block, avoid)

    def _settle(self, sent: _Sent, ended: Ended) -> Iterator[Outcome]:
        """What has become of the tiles of a block, as far as that is known now."""
        yield from self._home(sent.block, _pictures(sent.block, ended))
        if not self._rest(sent.block):
            return  # nothing is asked of the scheduler, which may have lost it
        try:
            report = ended.report()
        except (HostError, SchedulerLostError):
            raise
        except Exception as error:
            yield from self._failed(sent, error)
            return
        for failed in report.failed:
            if failed.tile in self._open:
                self._open.discard(failed.tile)
                yield failed
        self._send_left(sent, report)

    def _home(self, block: Block, pictures: Mapping[str, bytes]) -> Iterator[TileMade]:
        """Tiles of a block that are settled, with their receipts from the journal."""
        rest = self._rest(block)
        names = {tile_name(self._context, block.products, key): key for key in rest}
        settled = [names[name] for name in self._leases.settled(names)]
        tiling = self._context.spec.world.tiling
        paths = {
            key: [p.file(self._context, tiling.from_key(key)) for p in block.products]
            for key in settled
        }
        recorded = self._journal.at([path for of_tile in paths.values() for path in of_tile])
        receipts = {path: replace(r, png=pictures.get(path)) for path, r in recorded.items()}
        for key, of_tile in paths.items():
            self._open.discard(key)
            yield TileMade(key, tuple(receipts[path] for path in of_tile), kept=False)

    def _failed(self, sent: _Sent, error: Exception) -> Iterator[TileFailed]:
        """A try that failed as a whole: once more after a while, or it is every tile's end."""
        settings, failures = sent.block.settings, sent.failures + 1
        if failures < settings.attempts and getattr(error, "retryable", False):
            pause = min(settings.backoff * 2**failures, settings.backoff_limit)
            rest = replace(sent.block, keys=self._rest(sent.block))
            self._later.append(_Later(self._clock() + pause, _Sent(rest, failures)))
            return
        for key in self._rest(sent.block):
            self._open.discard(key)
            yield TileFailed(key, error, failures)

    def _send_left(self, sent: _Sent, report: BlockReport) -> None:
        """Tiles that others hold are asked for again; so are those that a lost lease left."""
        rest = self._rest(sent.block)
        if not rest:
            return
        again = _Sent(replace(sent.block, keys=rest), sent.failures)
        freed = self._watch() if report.left else 1  # of a host that is gone, most likely
        pause = 0.0 if freed else sent.block.lease / WATCHES
        self._later.append(_Later(self._clock() + pause, again))

    def _send_what_is_due(self) -> None:
        now, later = self._clock(), self._later
        self._later = deque(one for one in later if one.due > now)
        for one in later:
            if one.due <= now:
                self._send(one.sent)

    def _watch(self) -> int:
        """Look at the hosts: those that are gone lose their leases, silent ones their blocks.

        Returns
        -------
        int
            How many leases were freed.
        """
        self._watched = self._clock()
        hosts = self._cluster.hosts(self._pattern.lease)
        freed = self._leases.revoke(hosts.present) if hosts.present else 0
        if hosts.silent != hosts.present:
            self._send_elsewhere(hosts.silent)
        return freed

    def _send_elsewhere(self, silent: frozenset[str]) -> None:
        for key in self._cluster.on(silent) if silent else ():
            sent = self._out.pop(key, None)
            if sent is not None and (rest := self._rest(sent.block)):
                self._cluster.forget(key)
                again = replace(sent.block, keys=rest)
                self._send(replace(sent, block=again), avoid=silent)

    def _rest(self, block: Block) -> tuple[str, ...]:
        return tuple(key for key in block.keys if key in self._open)

    def _pause(self) -> float:
        due = [one.due - self._clock() for one in self._later]
        watch = self._watched + self._pattern.lease / WATCHES - self._clock()
        return max(min([PATIENCE, watch, *due]), 0.01)


def _pictures(block: Block, ended: Ended) -> Mapping[str, bytes]:
    """What a block drew, by path; of one whose report is lost none, which harms no tile."""
    if block.job.pictures:
        with contextlib.suppress(Exception):  # whatever it is, the journal has the tiles
            return ended.report().pictures
    return {}
