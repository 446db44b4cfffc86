"""Resources of a run: the engine whose workers all steps share, and the data root.

Belongs here: configuration and lifetime. Not here: scheduling (`engine`).
"""

from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
from pydantic import Field, PrivateAttr

from synthgrid_assets.dagster.audit_seal import seal_run
from synthgrid_assets.dagster.events.tile_events import MANY
from synthgrid_assets.engine.circuit_breaker import BreakerSettings
from synthgrid_assets.engine.observers import observers_asked_for
from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.settings import Settings, usable_cores
from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.compile_ahead import compiling_ahead
from synthgrid_assets.materialize.hosts.cluster import Cluster, is_cluster, open_cluster
from synthgrid_assets.materialize.hosts.course import LEASE, HostWork, make_on_hosts
from synthgrid_assets.materialize.preload import PRELOAD, TESSELLATIONS
from synthgrid_assets.materialize.run import TileFailed, TileMade, make_tiles
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import Product
from synthgrid_assets.settings import data_root
from synthgrid_assets.storage.journal import Journal

T = TypeVar("T")


class Engine(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The tile engine: one pool of workers for all steps of a run."""

    workers: int = Field(default=0, ge=0, description="Worker processes; 0: one per core.")
    deadline: float = Field(default=900.0, gt=0, description="Seconds one tile may take.")
    attempts: int = Field(default=3, ge=1, description="Attempts of a tile that may be retried.")
    memory_cap_mb: int = Field(default=0, ge=0, description="Memory per worker; 0: no cap.")
    executor: str = Field(
        default="local",
        description="What runs the tiles: `local` (processes), `inline` (this one, to debug), or "
        "`dask://host:port` (the hosts of a Dask scheduler; extra `dask`).",
    )
    window: int = Field(default=0, ge=0, description="Tiles in flight, at most; 0: 8 per worker.")
    recycle_above_mb: int = Field(
        default=0, ge=0, description="Memory at which a worker is replaced; 0: never for that."
    )
    breaker_failures: int = Field(
        default=5, ge=1, description="Storage errors in a row that pause the run."
    )
    breaker_slowdown: float = Field(
        default=8.0, ge=2, description="How many times slower than usual writing pauses it."
    )
    breaker_patience: float = Field(
        default=120.0, gt=0, description="Seconds without any write until waiting tiles fail."
    )

    lease_seconds: float = Field(
        default=LEASE, ge=1, description="After which a silent host has lost its tiles."
    )

    _cluster: Cluster | None = PrivateAttr(default=None)
    _session: EngineSession | None = PrivateAttr(default=None)
    _begun: dict[Hashable, Future[None]] = PrivateAttr(default_factory=dict)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Engine"]:
        """Open the engine for a run; its workers end with the run, however it ends."""
        settings = Settings(
            workers=self.workers or usable_cores(),
            deadline=self.deadline,
            attempts=self.attempts,
            memory_cap=self.memory_cap_mb * 1_000_000 or None,
            window=self.window,
            recycle_above=self.recycle_above_mb * 1_000_000 or None,
            breaker=BreakerSettings(
                failures=self.breaker_failures,
                slowdown=self.breaker_slowdown,
                patience=self.breaker_patience,
            ),
            shares_host=True,
        )
        run_id = "" if context.run is None else context.run.run_id
        observers = observers_asked_for(run_id)
        executor = "local" if is_cluster(self.executor) else self.executor
        tessellated = executor == "local" and _tessellates(context.run)
        try:
            with (
                compiling_ahead(wanted=tessellated),
                EngineSession(settings, PRELOAD, executor, observers, run_id) as session,
            ):
                self._session = session
                try:
                    yield self
                finally:
                    self._session = None
                    self._begun.clear()
                    if self._cluster is not None:
                        self._cluster.close()
                        self._cluster = None
        finally:
            seal_run(context, data_root())

    def make_tiles(
        self,
        journal: Journal,
        context: LayerContext,
        products: tuple[Product, ...],
        tiles: list[Tile],
        *,
        force: bool,
        tell: Callable[[str], object] = str,
    ) -> Iterator[TileMade | TileFailed]:
        """Make tiles as `materialize.run.make_tiles` does, here or on the hosts of a cluster."""
        session = self.session
        if not is_cluster(self.executor) or any(product.at_home for product in products):
            yield from make_tiles(
                session, journal, context, products, tiles, force=force, tell=tell
            )
            return
        work = HostWork(session.run_id, session.settings, not self.workers, self.lease_seconds)
        for outcome in make_on_hosts(
            self._hosts, work, journal, context, products, tiles, force=force
        ):
            if isinstance(outcome, TileFailed) or not outcome.kept:
                session.counted(failed=isinstance(outcome, TileFailed))
            yield outcome

    def ahead(self, function: Callable[..., object], *arguments: Any) -> None:
        """Begin a call of `aside` whose result is kept, by a worker that idles meanwhile."""
        self._begun[function, arguments] = self.session.begin(function, *arguments)

    def aside(
        self,
        function: Callable[..., T],
        *arguments: Any,
        tiles: int,
        kept: Callable[[], T | None] = lambda: None,
    ) -> T:
        """Call a function that looks at a whole region: by a worker, where that pays.

        What it loads (kernels, tables, plots) and holds then ends with the worker. For a few
        tiles alone none is started.

        Parameters
        ----------
        tiles : int
            Tiles of the region.
        kept : callable
            Finds what the call would return, where it was made before of what is there now: asked
            where no worker runs, so that none is started in vain. The function finds it, too.

        Notes
        -----
        The same call that is under way `ahead` is waited for: then there is something to find.
        """
        if (begun := self._begun.pop((function, arguments), None)) is not None:
            wait([begun])
        if not self.session.is_running and (found := kept()) is not None:
            return found
        return self.session.call(function, *arguments, start=tiles > MANY)

    def _hosts(self) -> Cluster:
        """The cluster of this run, opened when the first tile is to be made there."""
        if self._cluster is None:
            self._cluster = open_cluster(self.executor)
        return self._cluster

    @property
    def session(self) -> EngineSession:
        """The open session of this run."""
        if self._session is None:
            raise dg.DagsterInvariantViolationError("the engine is open only while a run executes")
        return self._session


def _tessellates(run: dg.DagsterRun | None) -> bool:
    """Whether a run has chosen a product of a tessellation."""
    chosen = () if run is None else run.asset_selection or ()
    return any(key.path[-1] in TESSELLATIONS for key in chosen)


class DataRoot(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where tiles live: the folder named by ``SYNTHGRID_DATA``, or the project's own."""

    @property
    def path(self) -> Path:
        """The data root."""
        return data_root()
