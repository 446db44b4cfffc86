"""The executor of this project's runs: Dagster's own, in one process, which a cancel always ends.

Belongs here: the executor. Not here: workers of tiles (`engine`).

An interrupt is an exception that a signal's handler raises wherever the process happens to be.
Where that is a call back from C, as numba's compiler makes them, Python drops it: then a step
fails or goes on, and without a second look at the run every further step would be made.
"""

import contextlib
import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor

from synthgrid_assets.dagster.runs.ended_elsewhere import is_ended

GROWN = 32 << 20  # bytes
STATM = Path("/proc/self/statm")


class EndedByCancel(InProcessExecutor):
    """All steps in this process; none is begun in a run that is being canceled, or has ended.

    What a step over thousands of tiles leaves in cycles of references is given back before the
    next one begins; the collector alone would let several of them add up.
    """

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """The events of all steps."""
        events: Any = super().execute(plan_context, execution_plan)
        before, event = _resident(), None
        try:
            for event in events:
                yield event
                if event.is_step_success or event.is_step_failure:
                    if _resident() - before > GROWN:
                        gc.collect()
                    before = _resident()
                    if is_ended(plan_context.instance, plan_context.run_id):
                        raise DagsterExecutionInterruptedError
        except (GeneratorExit, KeyboardInterrupt, DagsterExecutionInterruptedError):
            _interrupt(events, event)
            raise


def _interrupt(
    events: Generator[dg.DagsterEvent, None, None], last: dg.DagsterEvent | None
) -> None:
    """Interrupt Dagster's events; after the end of a step, at the beginning of the next one.

    Whoever merely closes them after a step's success has Dagster log that this step has failed.
    """
    with contextlib.suppress(StopIteration, DagsterExecutionInterruptedError):
        if last is not None and (last.is_step_success or last.is_step_failure):
            while not next(events).is_step_start:
                pass
        events.throw(DagsterExecutionInterruptedError())
        events.close()


def _resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not tell."""
    with contextlib.suppress(OSError), STATM.open(encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


@dg.executor(name="in_process")
def one_process(init: dg.InitExecutorContext) -> EndedByCancel:
    """All steps in one process; tiles are made by the workers of the resource `engine`."""
    return EndedByCancel(retries=RetryMode.ENABLED)
