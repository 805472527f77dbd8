"""What all tests share: a real Redis with the query engine, the embedder's folder, and a way to start a sidecar."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.local.models import DEFAULT, prepare_embedder
from cachedistill_sidecar.local.redis import EmbeddedRedis
from tests.api_server import api_server as api_server
from tests.routes import route_document
from tests.running import Running
from tests.taught import Never, teach
from tests.upstream import Upstream

StartSidecar = Callable[..., Awaitable[Sidecar]]


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis for the whole run; tests keep apart by the names of their caches."""
    with Running(lambda: EmbeddedRedis(tmp_path_factory.mktemp("redis"))) as url:
        yield url


@pytest.fixture(scope="session")
def embedder_folder() -> Path:
    """The real embedder, built once on this machine."""
    return prepare_embedder()


@pytest.fixture
def cache_name() -> str:
    """A cache of this test's own."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A provider of this test's own."""
    async with Upstream() as running:
        yield running


@pytest.fixture
async def start_sidecar(
    upstream: Upstream, redis_url: str, embedder_folder: Path, cache_name: str
) -> AsyncIterator[StartSidecar]:
    """Start sidecars in front of `upstream`; keywords change the route document (see tests/routes.py).

    They have learnt enough for hits by meaning, unless they are not `taught`, and verify none without another `rng`.
    """
    async with AsyncExitStack() as stack:

        async def start(
            *,
            span_exporter: object = None,
            route: object = None,
            rng: random.Random | None = None,
            taught: bool = True,
            **changes: object,
        ) -> Sidecar:
            settings = {"redis_url": redis_url, "cache": cache_name} | changes
            document = route if route is not None else route_document(upstream.url, **settings)  # type: ignore[arg-type]
            sidecar = Sidecar(
                document,  # type: ignore[arg-type]
                find_model=lambda name: embedder_folder if name == DEFAULT else Path(name),
                span_exporter=span_exporter,  # type: ignore[arg-type]
                rng=rng or Never(),
            )
            await stack.enter_async_context(sidecar)
            if taught:
                await teach(sidecar)
            return sidecar

        yield start


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A plain HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session
