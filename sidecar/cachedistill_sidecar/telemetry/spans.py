"""Traces: one root span an exchange, one child a step of the path that took time. OpenTelemetry SDK.

Without an exporter no spans are made: an exchange still has a trace id, the app's own trace context goes through
untouched, and the step durations are kept for the metrics.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from multidict import CIMultiDict
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

    from cachedistill_sidecar.telemetry.names import Step

_W3C = TraceContextTextMapPropagator()
Attributes = Mapping[Any, Any]
"""Names to values; those that are None are left out."""


class Tracing:
    """Makes the trace of each exchange."""

    def __init__(self, tracer: Tracer | None) -> None:
        self._tracer = tracer

    def begin(self, headers: Mapping[str, str]) -> Trace:
        """The trace of a request that has just come in."""
        parent = _W3C.extract(headers) if "traceparent" in headers else None
        if parent is not None and not trace.get_current_span(parent).get_span_context().is_valid:
            parent = None  # Not W3C's: as if there were none.
        return Trace(self._tracer, parent)


class Trace:
    """One exchange's spans. Child spans are made when the root ends, from times noted on the way: off the path."""

    def __init__(self, tracer: Tracer | None, parent: Context | None) -> None:
        self._tracer = tracer
        self._parent = parent
        self._started = time.time_ns()
        self._zero = time.perf_counter_ns()
        self._noted: list[tuple[str, int, int]] = []
        self._context: Context | None = None
        self._root: Span | None = None
        self.seconds: dict[str, float] = {}
        """Seconds per step."""
        self.id = secrets.token_hex(16) if parent is None else _trace_id(trace.get_current_span(parent))

    @property
    def recording(self) -> bool:
        """Whether spans are made."""
        return self._tracer is not None

    def open(self, name: str, attributes: Attributes) -> None:
        """Start the root span, as of when the request came in. The first call counts."""
        if self._tracer is None or self._root is not None:
            return
        kept = {str(key): value for key, value in attributes.items() if value is not None}
        self._root = self._tracer.start_span(name, self._parent, SpanKind.SERVER, kept, start_time=self._started)
        self._context = set_span_in_context(self._root, self._parent)
        self.id = _trace_id(self._root)

    @contextmanager
    def step(self, step: Step) -> Iterator[None]:
        """Note how long a step takes."""
        begun = time.perf_counter_ns()
        try:
            yield
        finally:
            self._note(step.value, begun)

    @contextmanager
    def call(self, step: Step, headers: CIMultiDict[str]) -> Iterator[Span | None]:
        """A CLIENT span for a call to a fallback, whose context goes out with the headers."""
        begun = time.perf_counter_ns()
        span = None
        if self._tracer is not None:
            span = self._tracer.start_span(step, self._context, SpanKind.CLIENT)
            carrier: dict[str, str] = {}
            _W3C.inject(carrier, set_span_in_context(span, self._context))
            headers.update(carrier)
        try:
            yield span
        finally:
            self._add(step.value, time.perf_counter_ns() - begun)
            if span is not None:
                span.end()

    def end(self, attributes: Attributes, events: list[dict[str, Any]], error: str | None) -> None:
        """End the root span, and make its children."""
        if self._root is None or self._tracer is None:
            return
        for step, begun, ended in self._noted:
            child = self._tracer.start_span(step, self._context, SpanKind.INTERNAL, start_time=self._epoch(begun))
            child.end(self._epoch(ended))
        self._root.set_attributes({str(key): value for key, value in attributes.items() if value is not None})
        for event in events:
            self._root.add_event("candidate", event)
        if error is not None:
            self._root.set_status(Status(StatusCode.ERROR, error))
        self._root.end()

    def _note(self, step: str, begun: int) -> None:
        ended = time.perf_counter_ns()
        self._add(step, ended - begun)
        if self._tracer is not None:
            self._noted.append((step, begun, ended))

    def _add(self, step: str, nanoseconds: int) -> None:
        self.seconds[step] = self.seconds.get(step, 0.0) + nanoseconds / 1e9

    def _epoch(self, moment: int) -> int:
        return self._started + moment - self._zero


def _trace_id(span: Span) -> str:
    return trace.format_trace_id(span.get_span_context().trace_id)
