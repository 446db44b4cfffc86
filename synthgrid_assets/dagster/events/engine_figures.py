"""What a step's engine did, as an observation on what the step makes.

Belongs here: the translation of the engine's figures. Not here: the figures (`engine.events`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from synthgrid_assets.engine.events import EngineEvent, Statistics
from synthgrid_assets.engine.session import EngineSession

_COLUMNS = [
    dg.TableColumn("time", "string", "UTC."),
    dg.TableColumn("what", "string", "depth: tasks held at most; breaker: its state; executor."),
    dg.TableColumn("change", "string", "From and to."),
    dg.TableColumn("cause", "string", "Why."),
    dg.TableColumn("figures", "string", "What the decision was made from."),
]
SHOWN = 50  # changes; the first and the last of them


@dataclass
class StepFigures:
    """Watches a step from its begin; `observation` tells what the engine did since.

    Parameters
    ----------
    session : EngineSession
    """

    session: EngineSession

    def __post_init__(self) -> None:
        self._before = self.session.statistics()
        self._began = time.time()

    def observation(self, asset: dg.AssetKey) -> Iterator[dg.AssetObservation]:
        """One observation; none if no task ran."""
        before, now = self._before, self.session.statistics()
        done = now.done - before.done
        if done + now.failed - before.failed == 0:
            return
        seconds = max(time.time() - self._began, 1e-9)
        changes = [event for event in self.session.events() if event.time >= self._began]
        yield dg.AssetObservation(
            asset,
            description=f"{done} tasks in {seconds:.1f} s",
            metadata={
                "engine/tasks_per_second": round(done / seconds, 3),
                "engine/retries": now.retried - before.retried,
                "engine/failed_tasks": now.failed - before.failed,
                "engine/busy_seconds": round(now.busy_seconds - before.busy_seconds, 3),
                "engine/written_bytes": now.written - before.written,
                "engine/workers_started": now.workers_spawned - before.workers_spawned,
                **_present(now),
                "engine/changes": _table(changes),
            },
        )


def _present(now: Statistics) -> dict[str, float | int | str]:
    shown: dict[str, float | int | str] = {
        "engine/depth": now.depth,
        "engine/breaker": now.breaker,
        "engine/worker_resident_bytes": now.worker_resident,
    }
    if now.commit_latency == now.commit_latency:
        shown["engine/commit_seconds"] = round(now.commit_latency, 6)
    return shown


def _table(changes: list[EngineEvent]) -> dg.TableMetadataValue:
    if len(changes) > SHOWN:
        changes = changes[: SHOWN // 2] + changes[-SHOWN // 2 :]
    records = [
        dg.TableRecord(
            {
                "time": time.strftime("%H:%M:%S", time.gmtime(event.time)),
                "what": event.kind,
                "change": f"{event.before} -> {event.after}",
                "cause": event.cause,
                "figures": ", ".join(f"{name} {value:.4g}" for name, value in event.figures),
            }
        )
        for event in changes
    ]
    return dg.MetadataValue.table(records, dg.TableSchema(_COLUMNS))
