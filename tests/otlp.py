"""A real receiver of OTLP over HTTP: what a collector gets, decoded."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(slots=True)
class Receiver:
    """What came in: spans in their order, metrics by name, and all of it as bytes."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Attributes of the data points of each metric."""
    resources: list[dict[str, Any]] = field(default_factory=list)
    received: bytes = b""

    @property
    def roots(self) -> list[Span]:
        """The spans of kind SERVER: one an exchange."""
        return [span for span in self.spans if span.kind == Span.SPAN_KIND_SERVER]

    def children(self, of: Span) -> list[Span]:
        """The spans right below another."""
        return [span for span in self.spans if span.parent_span_id == of.span_id]

    def _take_spans(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            self.resources.append(attributes(resource.resource.attributes))
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]

    def _take_metrics(self, body: bytes) -> None:
        request = ExportMetricsServiceRequest.FromString(body)
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    data = getattr(metric, metric.WhichOneof("data") or "sum")
                    points = [attributes(point.attributes) for point in data.data_points]
                    self.metrics.setdefault(metric.name, []).extend(points)

    async def take(self, request: web.BaseRequest) -> web.Response:
        """Answer one export."""
        body = await request.read()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.received += body
        (self._take_spans if request.path == "/v1/traces" else self._take_metrics)(body)
        return web.Response(content_type="application/x-protobuf")


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver that listens; `url` is what an exporter's endpoint is set to."""
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver.take, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as a plain dict."""
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return list(_values(value.array_value.values))
    return getattr(value, kind) if kind is not None else None


def _values(values: Iterable[AnyValue]) -> Iterator[Any]:
    for value in values:
        yield _value(value)
