"""Metrics and spans of the operator, by OpenTelemetry: Prometheus on the health port, OTLP where it is configured.

OTLP goes where the standard environment says: OTEL_EXPORTER_OTLP_ENDPOINT.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from aiohttp import web
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from cachedistill_operator.api.group import Key

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metric(NamedTuple):
    """A metric's name, unit and meaning."""

    name: str
    unit: str
    meaning: str


RECONCILES = Metric("cachedistill.operator.reconcile.duration", "s", "reconciles, by kind and result (ok or error)")
QUEUE = Metric("cachedistill.operator.queue.depth", "{resource}", "resources that are due to be looked at")
LEADER = Metric("cachedistill.operator.leader", "1", "1 in the controller that works, 0 in one that stands by")
REVIEWS = Metric("cachedistill.webhook.review.duration", "s", "reviews of pods, by result (injected, skipped, error)")
SKIPS = Metric("cachedistill.webhook.skips", "{pod}", "pods that asked for a sidecar and got none, by reason")
CERTIFICATE = Metric("cachedistill.webhook.certificate.expiry", "s", "when the served certificate ends, Unix time")
CALLS = Metric("cachedistill.operator.api.calls", "{call}", "calls to the API server, by method and resource")
ALL = (RECONCILES, QUEUE, LEADER, CALLS, REVIEWS, SKIPS, CERTIFICATE)


class Telemetry:
    """The instruments of one process."""

    def __init__(self, component: str) -> None:
        self._registry = CollectorRegistry()
        resource = Resource.create({"service.name": f"cachedistill-{component}"})
        readers: list[MetricReader] = [PrometheusMetricReader(registry=self._registry)]
        self._traces = TracerProvider(resource=resource)
        if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
            # Imported where used: it brings requests along, 10 MB.
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
            self._traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._metrics = MeterProvider(readers, resource)
        self._meter = self._metrics.get_meter("cachedistill.operator")
        self._tracer = self._traces.get_tracer("cachedistill.operator")
        self._reconciles = self._histogram(RECONCILES)
        self._reviews = self._histogram(REVIEWS)
        self._skips = self._meter.create_counter(SKIPS.name, SKIPS.unit, SKIPS.meaning)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._metrics.shutdown(timeout_millis=2000)
        self._traces.shutdown()

    @contextmanager
    def reconcile(self, kind: str, key: Key) -> Iterator[None]:
        """Times one reconcile, as a span and in the histogram."""
        begun, result = time.perf_counter(), "ok"
        attributes = {"k8s.namespace.name": key.namespace, "cachedistill.kind": kind, "cachedistill.name": key.name}
        with self._tracer.start_as_current_span(f"reconcile {kind}", attributes=attributes):
            try:
                yield
            except BaseException:
                result = "error"
                raise
            finally:
                self._reconciles.record(time.perf_counter() - begun, {"kind": kind, "result": result})

    @contextmanager
    def review(self, namespace: str) -> Iterator[dict[str, str]]:
        """Times one review; whoever reviews puts `result`, and for a skip `reason`, into what is given."""
        begun, told = time.perf_counter(), {"result": "error"}
        with self._tracer.start_as_current_span("review pod", attributes={"k8s.namespace.name": namespace}) as span:
            try:
                yield told
            finally:
                self._reviews.record(time.perf_counter() - begun, {"result": told["result"]})
                span.set_attributes({f"cachedistill.{name}": value for name, value in told.items()})
                if told["result"] == "error":
                    span.set_status(Status(StatusCode.ERROR))
                if "reason" in told:
                    self._skips.add(1, {"reason": told["reason"]})

    def watch_queue(self, depth: Callable[[], float]) -> None:
        """Read the queue's depth whenever metrics are collected."""
        self._gauge(QUEUE, depth)

    def watch_leader(self, leading: Callable[[], float]) -> None:
        """Read whether this process leads."""
        self._gauge(LEADER, leading)

    def watch_calls(self, calls: Mapping[tuple[str, str], int]) -> None:
        """Read how many calls were made to the API server."""

        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            for (method, resource), count in list(calls.items()):
                yield Observation(count, {"method": method, "resource": resource})

        self._meter.create_observable_counter(CALLS.name, [observe], CALLS.unit, CALLS.meaning)

    def watch_certificate(self, expiry: Callable[[], float]) -> None:
        """Read when the served certificate ends."""
        self._gauge(CERTIFICATE, expiry)

    async def exposition(self, _request: web.Request) -> web.Response:
        """Prometheus' text format."""
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _histogram(self, metric: Metric) -> Any:
        return self._meter.create_histogram(
            metric.name, metric.unit, metric.meaning, explicit_bucket_boundaries_advisory=list(_SECONDS)
        )

    def _gauge(self, metric: Metric, read: Callable[[], float]) -> None:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            yield Observation(float(read()))

        self._meter.create_observable_gauge(metric.name, [observe], metric.unit, metric.meaning)
