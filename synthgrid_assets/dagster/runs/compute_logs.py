"""Output of steps, kept on disk by Dagster's own manager, whose helpers don't hear Ctrl-C.

Belongs here: how the helpers are started. Not here: what they do, which is Dagster's.

Dagster captures a step by two programs that follow its output and two that watch those. In a
terminal Ctrl-C reaches them too: they end first, what the run still says is lost, and each watcher
prints a traceback. They end with the step, so they need not hear it.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from dagster._core.storage.compute_log_manager import CapturedLogContext
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClassData

from synthgrid_assets.dagster.runs.opening import under_home


class ComputeLogs(LocalComputeLogManager):
    """Dagster's manager of compute logs on this machine."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> ComputeLogs:
        """Build from the section of ``dagster.yaml`` (called by Dagster)."""
        folder = str(under_home(config_value["base_dir"]))
        return cls(inst_data=inst_data, **{**config_value, "base_dir": folder})

    @contextlib.contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        """Capture a step's output for as long as the block lasts (called by Dagster)."""
        with contextlib.ExitStack() as stack:
            with _interrupt_held_back():
                captured = stack.enter_context(super().capture_logs(log_key))
            yield captured


@contextlib.contextmanager
def _interrupt_held_back() -> Iterator[None]:
    """Programs that are started in the block never hear SIGINT; this one hears it afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
