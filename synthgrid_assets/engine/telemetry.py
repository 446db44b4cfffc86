"""Traces and metrics of an engine by OpenTelemetry, sent where an OTLP endpoint is set.

Belongs here: spans and instruments, made in the orchestrating process alone. Not here: the
figures (`events`), the log (`log`).

The trace of a run is ``run -> step -> tile -> compute, commit``. A tile's spans are made when
its outcome is there, from the times that its worker has sent home: nothing is exported by a
worker, whose last spans a killed process would lose. Needs the extra ``telemetry``.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from synthgrid_assets.engine.events import EngineEvent, Statistics, Step, TaskEnded
from synthgrid_assets.errors import SynthGridWarning

QUEUE = 1 << 15  # spans that wait for the receiver; a tile has three to five
BATCH = 2048
SEND_EVERY = 1.0  # seconds
METRICS_EVERY = 5.0
PATIENCE = 5  # seconds for one request; a run must not wait for a receiver that is gone
STATES = {"closed": 0, "half-open": 1, "open": 2}


class SystemIds(IdGenerator):
    """Ids from the system's own randomness: OpenTelemetry's follow ``random.seed``.

    Examples
    --------
    >>> SystemIds().generate_trace_id() != SystemIds().generate_trace_id()
    True
    """

    def generate_trace_id(self) -> int:
        """128 bits, not 0."""
        return int.from_bytes(os.urandom(16), "big") or 1

    def generate_span_id(self) -> int:
        """64 bits, not 0."""
        return int.from_bytes(os.urandom(8), "big") or 1


class CountingExporter(SpanExporter):
    """Hands spans to another exporter and counts those that arrived.

    Parameters
    ----------
    inner : SpanExporter
    """

    def __init__(self, inner: SpanExporter) -> None:
        self.delivered = 0
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        result = self._inner.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.delivered += len(spans)
        return result

    def shutdown(self) -> None:
        """Send nothing more."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return True


class Telemetry:
    """An observer that exports what it sees.

    Parameters
    ----------
    spans : SpanExporter, optional
        By default OTLP over HTTP, as the environment says (``OTEL_EXPORTER_OTLP_ENDPOINT``).

    Attributes
    ----------
    lost : int
        Spans that no receiver has confirmed; known when the session is closed.
    """

    def __init__(self, spans: SpanExporter | None = None) -> None:
        self.lost = 0
        self._made = 0
        self._exporter = CountingExporter(spans or OTLPSpanExporter(timeout=PATIENCE))
        self._steps: dict[int, Span] = {}
        self._run: Span | None = None
        self._read: Callable[[], Statistics] | None = None

    def on_start(self, run_id: str, read: Callable[[], Statistics]) -> None:
        """Begin the run's span and the metrics."""
        named = os.environ.get("OTEL_SERVICE_NAME", "synthgrid")
        resource = Resource.create({"service.name": named, "synthgrid.run": run_id})
        self._read = read
        # providers of our own: a global one can be set once only, and may be another's
        self._traces = TracerProvider(
            resource=resource, id_generator=SystemIds(), shutdown_on_exit=False
        )
        self._traces.add_span_processor(
            BatchSpanProcessor(
                self._exporter,
                max_queue_size=QUEUE,
                max_export_batch_size=BATCH,
                schedule_delay_millis=SEND_EVERY * 1000,
            )
        )
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(timeout=PATIENCE), export_interval_millis=METRICS_EVERY * 1000
        )
        self._meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._tracer = self._traces.get_tracer("synthgrid.engine")
        self._run = self._span("run", None, None, {"synthgrid.run": run_id})
        self._make_instruments(self._meters.get_meter("synthgrid.engine"))

    def on_step(self, step: Step, ended: float | None) -> None:
        """Begin or end a step's span."""
        if ended is None:
            name = {"synthgrid.step": step.name}
            self._steps[step.number] = self._span("step", self._run, step.began, name)
        elif (span := self._steps.pop(step.number, None)) is not None:
            span.end(_nanoseconds(ended))

    def on_task(self, task: TaskEnded) -> None:
        """A tile's spans: the whole, and where its time went in the worker."""
        facts = {
            "synthgrid.tile": task.key,
            "synthgrid.attempts": task.attempts,
            "synthgrid.worker": task.worker_pid,
            "synthgrid.written": task.timings.written,
        }
        whole = self._span("tile", self._steps.get(task.step.number), task.added, facts)
        if task.error is not None:
            whole.set_status(Status(StatusCode.ERROR, str(task.error)))
            whole.set_attribute("error.type", type(task.error).__name__)
        for name, begin, end in _parts(task):
            self._span(name, whole, begin, {}).end(_nanoseconds(end))
        whole.end(_nanoseconds(task.ended))
        self._tasks.add(1, {"outcome": "done" if task.error is None else "failed"})
        if task.timings.commit > 0:
            self._commits.record(task.timings.commit)
        if task.error is None:
            self._durations.record(task.timings.seconds)

    def on_event(self, event: EngineEvent) -> None:
        """A change is an event of the run's span."""
        if self._run is not None:
            facts = {"before": event.before, "after": event.after, "cause": event.cause}
            figures = {name: value for name, value in event.figures if value == value}
            self._run.add_event(event.kind, {**facts, **figures}, _nanoseconds(event.time))

    def on_lag(self, seconds: float, culprit: str) -> None:
        """The event loop was kept from its work."""
        self._lags.record(seconds)
        if self._run is not None:
            self._run.add_event("loop_lag", {"seconds": seconds, "culprit": culprit})

    def on_close(self, statistics: Statistics) -> None:
        """Send what is left, and say how much was lost."""
        for span in (*self._steps.values(), self._run):
            if span is not None:
                span.end()
        self._meters.shutdown()
        self._traces.shutdown()
        self.lost = self._made - self._exporter.delivered
        if self.lost:
            warnings.warn(
                f"telemetry: {self.lost} of {self._made} spans did not reach the receiver",
                SynthGridWarning,
                stacklevel=2,
            )

    def _span(
        self, name: str, parent: Span | None, began: float | None, facts: dict[str, Any]
    ) -> Span:
        self._made += 1
        context = None if parent is None else trace.set_span_in_context(parent)
        start = None if began is None else _nanoseconds(began)
        return self._tracer.start_span(name, context, SpanKind.INTERNAL, facts, start_time=start)

    def _make_instruments(self, meter: metrics.Meter) -> None:
        self._tasks = meter.create_counter("synthgrid.tasks", description="tasks that ended")
        self._commits = meter.create_histogram("synthgrid.commit.duration", "s")
        self._durations = meter.create_histogram("synthgrid.task.duration", "s")
        self._lags = meter.create_histogram("synthgrid.loop.lag", "s")
        gauges: dict[str, tuple[str, Callable[[Statistics], float]]] = {
            "synthgrid.window.depth": ("{task}", lambda now: now.depth),
            "synthgrid.tasks.in_flight": ("{task}", lambda now: now.in_flight),
            "synthgrid.tasks.rate": ("{task}/s", lambda now: now.rate),
            "synthgrid.tasks.retried": ("{attempt}", lambda now: now.retried),
            "synthgrid.breaker.state": ("1", lambda now: STATES[now.breaker]),
            "synthgrid.commit.latency": ("s", lambda now: now.commit_latency),
            "synthgrid.written": ("By", lambda now: now.written),
            "synthgrid.worker.resident": ("By", lambda now: now.worker_resident),
            "synthgrid.worker.spawned": ("{worker}", lambda now: now.workers_spawned),
        }
        for name, (unit, value) in gauges.items():
            meter.create_observable_gauge(name, [self._observed(value)], unit)

    def _observed(
        self, value: Callable[[Statistics], float]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            if self._read is not None and (now := value(self._read())) == now:
                yield Observation(now)

        return observe


def _parts(task: TaskEnded) -> Iterable[tuple[str, float, float]]:
    """Name, begin and end of a task's parts in its worker; what is no stage is ``compute``."""
    timings = task.timings
    if timings.seconds == 0.0 and not timings.stages:
        return
    at = 0.0
    for name, begin, seconds in timings.stages:
        if begin > at:
            yield "compute", timings.began + at, timings.began + begin
        yield name, timings.began + begin, timings.began + begin + seconds
        at = begin + seconds
    if timings.seconds > at:
        yield "compute", timings.began + at, timings.began + timings.seconds


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


logging.getLogger("opentelemetry.sdk").setLevel(logging.CRITICAL)  # losses are counted instead
logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
