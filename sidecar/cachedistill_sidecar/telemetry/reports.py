"""What a sidecar reports under one name to one place: traces and metrics, by OTLP and for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry

from cachedistill_sidecar.telemetry.export import Export
from cachedistill_sidecar.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from cachedistill_sidecar.learning.lesson import Lesson
    from cachedistill_sidecar.route_document import RouteDocument


class Reports:
    """Made for a route document, and of use as long as the next one names the same route and endpoint."""

    def __init__(
        self,
        document: RouteDocument,
        span_exporter: SpanExporter | None,
        lessons: Callable[[], Iterable[Lesson]],
    ) -> None:
        self._about = _about(document)
        route = f"{document.namespace}/{document.name}"
        resource = Resource.create({"service.name": "cachedistill", "cachedistill.route": route})
        self._export = Export(document.telemetry, resource, span_exporter)
        self.registry = CollectorRegistry()
        readers = [PrometheusMetricReader(registry=self.registry), *self._export.readers]
        self.metrics = Metrics(readers, resource, lessons)
        self.tracing = self._export.tracing

    def serve(self, document: RouteDocument) -> bool:
        """Whether another document's exchanges belong into these."""
        return _about(document) == self._about

    async def close(self) -> None:
        """Send what waits; takes a few seconds at most."""
        await asyncio.to_thread(self._export.close, self.metrics)


def _about(document: RouteDocument) -> tuple[str | None, ...]:
    return document.namespace, document.name, document.telemetry.endpoint
