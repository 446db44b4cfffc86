"""Blocks over Dask's `distributed`; extra ``dask``.

Belongs here: everything that imports `distributed`. Not here: what a block does on its host
(`block`), when one is sent again (`course`).

Dask moves blocks and nothing else: no retries of its own are asked for, keys are never used
twice, and a result that it loses is not missed. A worker may run one that it has finished
once more, when another worker dies; such a block finds its tiles settled.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Collection
from typing import Any

from synthgrid_assets.errors import (
    EngineError,
    HostError,
    SchedulerLostError,
    SynthGridError,
    WorkerDiedError,
)
from synthgrid_assets.materialize.hosts.block import Block, BlockReport, make_block
from synthgrid_assets.materialize.hosts.cluster import Ended, Hosts

ANSWER = 10.0  # seconds in which a scheduler must answer
ARRIVAL = 30.0  # seconds for the first worker
SILENCES = 3  # questions without an answer, in a row, until a scheduler counts as gone


class DaskCluster:
    """The workers of a Dask scheduler.

    Parameters
    ----------
    address : str
        ``host:port`` of the scheduler.

    Raises
    ------
    EngineError
        If the extra is missing, no scheduler answers, or it has no worker.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise EngineError(
                "dask://... needs the extra: pip install 'synthgrid_assets[dask]'"
            ) from error
        self._address = address
        try:
            client: Any = Client  # has no types of its own
            self._client = client(address, timeout=ANSWER, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise EngineError(
                f"no Dask scheduler answers at {address} ({type(error).__name__}): start one with "
                "`dask scheduler`, and workers with `dask worker HOST:PORT`"
            ) from None
        self._futures: dict[str, Any] = {}
        self._arrived: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._silences = 0
        self._workers: dict[str, Any] = {}
        try:
            self._client.wait_for_workers(1, timeout=ARRIVAL)
        except TimeoutError:
            self.close()
            raise EngineError(
                f"the Dask scheduler at {address} has no workers: start some with `dask worker "
                f"{address}`"
            ) from None

    @property
    def places(self) -> int:
        """Threads of all workers."""
        workers = self._identity()
        return max(sum(int(worker["nthreads"]) for worker in workers.values()), 1)

    def submit(self, key: str, block: Block, avoid: Collection[str] = ()) -> None:
        """Send a block to a worker, to none of some."""
        others = [one for one in self._identity() if one not in avoid] if avoid else None
        future = self._client.submit(
            run_block, block, key=key, retries=0, pure=False, workers=others or None
        )
        self._futures[key] = future
        future.add_done_callback(lambda done: self._arrived.put(done.key))

    def ended(self, seconds: float) -> list[Ended]:
        """Blocks that came back."""
        found = []
        with contextlib.suppress(queue.Empty):
            found.append(self._arrived.get(timeout=seconds))
            while True:
                found.append(self._arrived.get_nowait())
        ended = [self._ended(key) for key in found if key in self._futures]
        if self._client.status not in ("running", "connecting"):
            raise self._lost()
        return ended

    def hosts(self, silent_after: float) -> Hosts:
        """Workers, by address; those silent whose heartbeat is older than others'."""
        workers = self._identity()
        seen = {address: float(worker["last_seen"]) for address, worker in workers.items()}
        latest = max(seen.values(), default=0.0)
        silent = (address for address, at in seen.items() if latest - at > silent_after)
        return Hosts(frozenset(seen), frozenset(silent))

    def on(self, hosts: Collection[str]) -> set[str]:
        """Keys of the blocks that some workers have."""
        try:
            processing = self._client.sync(
                self._client.scheduler.processing, workers=list(hosts), callback_timeout=ANSWER
            )
        except (OSError, TimeoutError) as error:
            raise self._lost() from error
        return {str(key) for keys in processing.values() for key in keys}

    def forget(self, key: str) -> None:
        """Let go of a block: if it has begun it goes on, otherwise it never does."""
        self._futures.pop(key, None)

    def close(self) -> None:
        """Leave the scheduler."""
        self._futures.clear()
        with contextlib.suppress(Exception):
            self._client.close(timeout=ANSWER)

    def _ended(self, key: str) -> Ended:
        future = self._futures.pop(key)
        if future.status in ("cancelled", "lost"):
            raise self._lost()
        return Ended(key, lambda: _report(future))

    def _identity(self) -> dict[str, Any]:
        """The scheduler's workers, by address; those of the last answer where there is none."""
        try:
            found = self._client.sync(
                self._client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER
            )
        except (OSError, TimeoutError) as error:
            self._silences += 1
            if self._silences >= SILENCES or self._client.status != "running":
                raise self._lost() from error
        else:
            self._silences = 0
            self._workers = dict(found["workers"])
        return self._workers

    def _lost(self) -> SchedulerLostError:
        return SchedulerLostError(
            f"the Dask scheduler at {self._address} is gone, and its blocks with it. What its "
            "workers have committed stays: start it again, and run the same command to make what "
            "is missing"
        )


def run_block(block: Block) -> BlockReport:
    """What Dask calls on a worker; its errors are this package's, whatever fails."""
    from distributed import get_worker

    return make_block(block, str(get_worker().address))


def _report(future: Any) -> BlockReport:
    """The report of a block, or its error as this package's."""
    try:
        report: BlockReport = future.result(timeout=ANSWER)
    except SynthGridError:
        raise
    except ImportError as error:
        raise HostError(
            f"a Dask worker cannot load what makes tiles ({error}): install there what the run's "
            "host has"
        ) from error
    except Exception as error:  # its worker died, again and again, or its result is lost
        raise WorkerDiedError(f"a block was lost: {type(error).__name__}: {error}") from error
    return report
