"""The executor of this project's runs: Dagster's own, in one process, which a cancel always ends.

Belongs here: the executor. Not here: workers of tiles (`engine`).

An interrupt is an exception that a signal's handler raises wherever the process happens to be.
Where that is a call back from C, as numba's compiler makes them, Python drops it: then a step
fails or goes on, and without a second look at the run every further step would be made.
"""

import contextlib
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor

GROWN = 32 << 20  # bytes
STATM = Path("/proc/self/statm")


class EndedByCancel(InProcessExecutor):
    """All steps in this process; none is begun in a run that is being canceled.

    What a step over thousands of tiles leaves in cycles of references is given back before the
    next one begins; the collector alone would let several of them add up.
    """

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """The events of all steps."""
        before = _resident()
        canceling = dg.RunsFilter(
            run_ids=[plan_context.run_id], statuses=[dg.DagsterRunStatus.CANCELING]
        )
        for event in super().execute(plan_context, execution_plan):
            yield event
            if event.is_step_success or event.is_step_failure:
                if _resident() - before > GROWN:
                    gc.collect()
                before = _resident()
                if plan_context.instance.get_runs_count(canceling):  # a run is long to read
                    raise DagsterExecutionInterruptedError


def _resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not tell."""
    with contextlib.suppress(OSError), STATM.open(encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


@dg.executor(name="in_process")
def one_process(init: dg.InitExecutorContext) -> EndedByCancel:
    """All steps in one process; tiles are made by the workers of the resource `engine`."""
    return EndedByCancel(retries=RetryMode.ENABLED)
