"""What happens to a block of tiles on a host, in whatever process a cluster runs it.

Belongs here: the call that travels, its answer, and its course: leases, the journal, our own
pool. Not here: which blocks there are (`course`), who moves them (`dask_cluster`).

A block asks the journal before it computes, and leases each of its tiles. Files and receipts
go straight to the store and the journal; home goes only what could not be made, and pictures
where somebody will look at them.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version

import sqlalchemy as sa

from synthgrid_assets.engine.settings import Settings
from synthgrid_assets.errors import HostError, SynthGridError
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.custody import Note
from synthgrid_assets.materialize.hosts.host_inputs import have_inputs
from synthgrid_assets.materialize.hosts.host_session import host_session
from synthgrid_assets.materialize.run import TileFailed, TileMade, kept_tiles, make_missing
from synthgrid_assets.materialize.tile_order import Selection
from synthgrid_assets.products.layer_context import LayerContext, LayerJob
from synthgrid_assets.products.product import Product
from synthgrid_assets.settings import DATA_VARIABLE, data_root
from synthgrid_assets.storage.commit_records import Course
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.leases import Leases
from synthgrid_assets.storage.receipt import Receipt
from synthgrid_assets.storage.server_journal import store_name

RENEWALS = 4  # of a lease before its deadline
# what decides the bytes of a file: hosts that differ would call each other's files damaged
_DECISIVE = ("synthgrid_assets", "numpy", "numba", "pyarrow", "zarr", "shapely", "pyproj")


@dataclass(frozen=True)
class Block:
    """Tiles of one step that travel together; what a host needs to make them.

    Parameters
    ----------
    job : LayerJob
    products : tuple of Product
        Of one step.
    keys : tuple of str
        The tiles'.
    run : str
        Whom the log names.
    course : str
        Whom leases name: one step of the run.
    store : str
        The store's own name (`server_journal.store_name`).
    settings : Settings
        Of the engine on the host; `workers` counts only with `all_cores` off.
    all_cores : bool
        Whether a host has a worker for each of its cores.
    lease : float
        Seconds after which a silent host has lost its tiles.
    force : bool
        Make sound tiles again as well.
    versions : tuple of (str, str)
        Of the packages that decide a file's bytes.
    """

    job: LayerJob
    products: tuple[Product, ...]
    keys: tuple[str, ...]
    run: str
    course: str
    store: str
    settings: Settings
    all_cores: bool
    lease: float
    force: bool = False
    versions: tuple[tuple[str, str], ...] = field(default_factory=lambda: own_versions())

    @property
    def step(self) -> str:
        """What its tiles are of, in a few words."""
        names = "+".join(product.name for product in self.products)
        return f"{self.job.layer}/{names}"

    @property
    def code_version(self) -> str:
        """The code versions of its products, as one text."""
        named = {asset.name: asset.code_version for asset in self.job.assets}
        return "+".join(named[product.name] for product in self.products)


@dataclass(frozen=True)
class BlockReport:
    """What became of a block; its receipts stand in the journal.

    Parameters
    ----------
    failed : tuple of TileFailed
    left : tuple of str
        Keys of tiles that others hold a lease of.
    pictures : mapping of str to bytes
        Of the tiles that were made, where the job asks for them, by the path of their file.
    """

    failed: tuple[TileFailed, ...] = ()
    left: tuple[str, ...] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict)


def own_versions() -> tuple[tuple[str, str], ...]:
    """Versions, on this host, of the packages that decide a file's bytes."""
    found = []
    for name in _DECISIVE:
        with contextlib.suppress(PackageNotFoundError):
            found.append((name, version(name)))
    return tuple(found)


def tile_name(context: LayerContext, products: tuple[Product, ...], key: str) -> str:
    """What a lease calls a tile of a step, in every run."""
    return f"{context.layout.folder(context.dataset(products[0].name))} {key}"


def make_block(block: Block, host: str = "") -> BlockReport:
    """Make those tiles of a block that are not committed and that nobody else is making.

    Parameters
    ----------
    block : Block
    host : str
        Where this runs, as its cluster calls it; by default the host and the process.

    Raises
    ------
    HostError
        If this host has other versions, another store or another journal than the run.
    LeaseLostError
        If this host was silent for so long that others have taken over.
    """
    _check_versions(block)
    block = replace(block, job=_own_root(block.job))
    context = block.job.open()
    with Journal(context.layout) as journal:
        leases = Leases(journal.database, block.course)
        _check_place(block, context, journal, leases)
        have_inputs(context)
        work = _Work(
            block, context, journal, leases, host or f"{socket.gethostname()}:{os.getpid()}"
        )
        with work.renewing():
            return work.done()


class _Work:
    """One attempt at a block."""

    def __init__(
        self, block: Block, context: LayerContext, journal: Journal, leases: Leases, host: str
    ) -> None:
        self._block, self._context, self._journal = block, context, journal
        self._leases, self._host = leases, host
        self._holder = uuid.uuid4().hex
        self._lost = threading.Event()
        self._names = {key: tile_name(context, block.products, key) for key in block.keys}

    def done(self) -> BlockReport:
        block, settled = self._block, self._leases.settled(self._names.values())
        open_keys = [key for key, name in self._names.items() if name not in settled]
        names = [self._names[key] for key in open_keys]
        held = self._leases.take(names, self._holder, self._host, block.lease)
        tiling = self._context.spec.world.tiling
        mine = [tiling.from_key(key) for key in open_keys if self._names[key] in held]
        left = tuple(key for key in open_keys if self._names[key] not in held)
        failed: list[TileFailed] = []
        pictures: dict[str, bytes] = {}
        for outcome in self._made(mine):
            if isinstance(outcome, TileFailed):
                failed.append(outcome)
            else:
                pictures |= {one.path: one.png for one in outcome.receipts if one.png}
        return BlockReport(tuple(failed), left, pictures)

    def _made(self, tiles: list[Tile]) -> Iterator[TileMade | TileFailed]:
        """Make those tiles that nobody else has made meanwhile."""
        block, kept = self._block, set()
        if tiles and not block.force:  # somebody may have made one meanwhile
            found = kept_tiles(self._journal, self._context, block.products, tiles)
            kept = {made.tile for made in found}
            if kept:
                with self._journal.database.writing(exclusive=False) as connection:
                    self._settle(connection, kept)
        missing = [tile for tile in tiles if tile.key not in kept]
        if not missing:
            return
        with host_session(block.settings, block.run, all_cores=block.all_cores) as session:
            for outcome in make_missing(
                session,
                self._journal,
                self._context,
                block.products,
                missing,
                Selection(missing),
                renew=block.force,
                record=self._record,
            ):
                yield outcome
                if self._lost.is_set():  # whoever has the tiles now makes them
                    return

    def _record(
        self, receipts: list[Receipt], courses: Mapping[str, Course], notes: list[Note]
    ) -> None:
        keys = {receipt.tile: None for receipt in receipts}
        self._journal.record(
            receipts, lambda connection: self._settle(connection, keys), courses, notes
        )

    def _settle(self, connection: sa.Connection, keys: Iterable[str]) -> None:
        self._leases.settle(connection, [self._names[key] for key in keys], self._holder)

    @contextlib.contextmanager
    def renewing(self) -> Iterator[None]:
        """Keep the leases while the block runs; give back what is left of them."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(self._block.lease / RENEWALS):
                with contextlib.suppress(SynthGridError):  # the next one may go through
                    if not self._leases.renew(self._holder, self._block.lease):
                        self._lost.set()

        thread = threading.Thread(target=renew, name="synthgrid-leases", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            with contextlib.suppress(SynthGridError):  # they end by themselves
                self._leases.release(self._holder)


def _own_root(job: LayerJob) -> LayerJob:
    """The job with this host's data root, where it names one: inputs and work units lie there."""
    return replace(job, root=str(data_root())) if os.environ.get(DATA_VARIABLE) else job


def _check_versions(block: Block) -> None:
    own = dict(own_versions())
    other = [
        f"{name} {own.get(name, 'none')}, not {wanted}"
        for name, wanted in block.versions
        if own.get(name) != wanted
    ]
    if other:
        raise HostError(
            f"host {socket.gethostname()} has {'; '.join(other)}: install there what the run's "
            "host has, as files of other versions have other bytes"
        )


def _check_place(block: Block, context: LayerContext, journal: Journal, leases: Leases) -> None:
    host, layout = socket.gethostname(), context.layout
    if store_name(layout.store) != block.store:
        raise HostError(
            f"host {host} has its tiles in {layout.store.url}, which is another store than the "
            "run's: set SYNTHGRID_STORE there as on the run's host"
        )
    if not leases.is_begun():
        raise HostError(
            f"host {host} has its journal in {journal.database.where}, in which run {block.run} "
            "has not begun: set SYNTHGRID_JOURNAL there as on the run's host, or the run has ended"
        )
