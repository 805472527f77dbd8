"""Where spans and metrics go: OTLP over HTTP to the route's endpoint, in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter

from cachedistill_sidecar.telemetry.spans import Tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from cachedistill_sidecar.route_document import Telemetry
    from cachedistill_sidecar.telemetry.metrics import Metrics

_SECONDS = 5.0


class Export:
    """The exporters of one sidecar. `span_exporter` takes spans as they end, beside OTLP (tests, the demo)."""

    def __init__(self, document: Telemetry, resource: Resource, span_exporter: SpanExporter | None) -> None:
        self.readers: list[MetricReader] = []
        self._provider: TracerProvider | None = None
        if document.endpoint is not None or span_exporter is not None:
            self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        if span_exporter is not None and self._provider is not None:
            self._provider.add_span_processor(SimpleSpanProcessor(span_exporter))
        if document.endpoint is not None and self._provider is not None:
            # Imported here: the exporter brings requests and protobuf, 10 MB that are of no use without an endpoint.
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            base = document.endpoint.rstrip("/")
            spans = OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=_SECONDS)
            self._provider.add_span_processor(BatchSpanProcessor(spans))
            metrics = OTLPMetricExporter(endpoint=f"{base}/v1/metrics", timeout=_SECONDS)
            self.readers.append(PeriodicExportingMetricReader(metrics, export_timeout_millis=_SECONDS * 1000))
        self.tracing = Tracing(self._provider.get_tracer("cachedistill") if self._provider is not None else None)

    def close(self, metrics: Metrics) -> None:
        """Send what waits. Blocks for at most a few seconds."""
        if self._provider is not None:
            self._provider.shutdown()
        metrics.provider.shutdown(timeout_millis=_SECONDS * 1000)
