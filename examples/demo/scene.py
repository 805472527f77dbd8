"""What the demo runs on: an embedded Redis, an embedder, a provider, and a sidecar between."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.cli.default_route import OPENAI, default_route
from cachedistill_sidecar.local.models import prepare_embedder
from cachedistill_sidecar.local.redis import EmbeddedRedis
from cachedistill_sidecar.route_document import RouteDocument, Telemetry
from examples.demo.questions import Questions
from tests.upstream import Pace, Upstream

# A small cloud model would take three to six times as long; the demo is not to.
PACE = Pace(first_token_ms=100, per_chunk_ms=1)

# The default is 50. Hundreds of questions stand for a month's here, and few verified hits would measure little.
VERIFY_PERMILLE = 200


@dataclass(frozen=True, slots=True)
class Scene:
    """The running parts; `provider` is None when it is the real one."""

    sidecar: Sidecar
    spans: InMemorySpanExporter
    provider: Upstream | None


@asynccontextmanager
async def scene(questions: Questions, *, real: bool) -> AsyncIterator[Scene]:
    """Start all parts, with an empty cache."""
    with tempfile.TemporaryDirectory(prefix="cachedistill-demo-") as folder:
        async with EmbeddedRedis(Path(folder)) as redis_url:
            if real:
                async with _sidecar(redis_url, real_provider()) as (sidecar, spans):
                    yield Scene(sidecar, spans, None)
                return
            async with (
                Upstream(questions.groups, questions.answers, PACE) as provider,
                _sidecar(redis_url, provider.url) as (sidecar, spans),
            ):
                yield Scene(sidecar, spans, provider)


def real_provider() -> str:
    """Where the real provider is: $OPENAI_BASE_URL without its /v1, as the SDK reads it, or OpenAI itself."""
    return os.environ.get("OPENAI_BASE_URL", OPENAI).rstrip("/").removesuffix("/v1")


@asynccontextmanager
async def _sidecar(redis_url: str, provider_url: str) -> AsyncIterator[tuple[Sidecar, InMemorySpanExporter]]:
    spans = InMemorySpanExporter()
    async with Sidecar(_route(redis_url, provider_url), find_model=prepare_embedder, span_exporter=spans) as sidecar:
        yield sidecar, spans


def _route(redis_url: str, provider_url: str) -> RouteDocument:
    """The default route with another provider behind it; more of its hits are verified."""
    document = default_route(redis_url)
    [rule] = document.rules
    assert rule.cache is not None
    assert rule.cache.semantic is not None
    semantic = rule.cache.semantic.model_copy(update={"verify_permille": VERIFY_PERMILLE})
    rule = rule.model_copy(update={"cache": rule.cache.model_copy(update={"semantic": semantic})})
    openai, *others = document.fallbacks
    moved = openai.model_copy(update={"endpoint": openai.endpoint.model_copy(update={"url": provider_url})})
    changes = {
        "name": "demo",
        "rules": (rule,),
        "fallbacks": (moved, *others),
        "telemetry": Telemetry(detail=True),
    }
    return document.model_copy(update=changes)
