"""What the audit log will say of a run: the layer, each tile's course, failures, the engine.

Belongs here: from the engine's outcomes and events to records. Not here: the records' form
(`storage.commit_records`), the log (`audit`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from synthgrid_assets.engine.session import EngineSession
from synthgrid_assets.engine.task import Done, Outcome
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.products.product import Product
from synthgrid_assets.storage.commit_records import Course, decision_record, digest_of
from synthgrid_assets.storage.journal import Journal
from synthgrid_assets.storage.receipt import Receipt

Note = tuple[str, str]  # a world, and what its log will say
Record = Callable[[list[Receipt], Mapping[str, Course], list[Note]], None]
LONGEST = 30_000  # characters of a layer's record; a union of very many layers is told by its hash


class Custody:
    """Writes down the course of one step over some tiles, in the journal.

    Parameters
    ----------
    session : EngineSession
    journal : Journal
    context : LayerContext
    products : tuple of Product
    tiles : int
        How many will be made.
    record : callable, optional
        Commits receipts with their courses and what else the log will say; by default the
        journal's own `record`.
    """

    def __init__(
        self,
        session: EngineSession,
        journal: Journal,
        context: LayerContext,
        products: tuple[Product, ...],
        tiles: int,
        record: Record | None = None,
    ) -> None:
        self._record = record
        self._session, self._journal = session, journal
        self._world, self._layer = context.spec.world.name, context.layer
        self._names = [product.name for product in products]
        self._seen = time.time()
        layer = layer_record(context, self._names, session.run_id, tiles)
        self._context = digest_of(layer)
        journal.outbox.note(self._world, [layer])

    def commit(self, group: Iterable[Outcome]) -> None:
        """Record what the outcomes of tiles made, with how, in one transaction."""
        receipts: list[Receipt] = []
        courses: dict[str, Course] = {}
        notes = self._engine_records()
        for outcome in group:
            if isinstance(outcome, Done):
                began, seconds = outcome.timings.began, outcome.timings.seconds
                course = Course(
                    began, began + seconds, outcome.worker_pid, outcome.attempts, self._context
                )
                receipts += outcome.result
                courses |= {receipt.path: course for receipt in outcome.result}
            else:
                notes.append(
                    decision_record(
                        "failed",
                        layer=self._layer,
                        assets=self._names,
                        tile=outcome.key,
                        attempts=outcome.attempts,
                        error=type(outcome.error).__name__,
                        context=self._context,
                    )
                )
        if not receipts:
            self._journal.outbox.note(self._world, notes)
            return
        said = [(self._world, note) for note in notes]
        if self._record is None:
            self._journal.record(receipts, courses=courses, notes=said)
        else:
            self._record(receipts, courses, said)

    def _engine_records(self) -> list[str]:
        """What the engine has decided since: its depth, its breaker, its workers."""
        new = [event for event in self._session.events() if event.time > self._seen]
        if new:
            self._seen = new[-1].time
        return [
            decision_record(
                "engine",
                at=event.time,
                what=event.kind,
                before=event.before,
                after=event.after,
                cause=event.cause.partition(":")[0],  # behind it stand messages of errors
                run=self._session.run_id,
            )
            for event in new
        ]


def layer_record(context: LayerContext, names: Iterable[str], run_id: str, tiles: int) -> str:
    """What tiles of some products of a layer are made of: versions, seeds, inputs."""
    job, world = context.job, context.spec.world
    components = {f"{c.layer}/{c.name}": [c.version, _hex(c.key)] for c in job.keys if c.version}
    facts = {
        "run": run_id,
        "world": world.name,
        "layer": context.layer,
        "dataset_id": job.dataset_id,
        "crs": world.crs,
        "origin": [str(value) for value in world.origin],
        "cell": str(world.cell),
        "tile": world.tile,
        "tiles": tiles,
        "inputs": dict(job.inputs),
        "assets": {
            name: {"code_version": of.code_version, "realisation": of.realisation}
            for name in names
            for of in (context.assets[name],)
        },
        "components": components,
    }
    record = decision_record("layer", **facts)
    if len(record) <= LONGEST:
        return record
    return decision_record("layer", **{**facts, "components": version_hash(components)})


def _hex(key: tuple[int, int]) -> str:
    return f"{key[0]:016x}{key[1]:016x}"
