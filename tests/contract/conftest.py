"""The two ends of the contract: a provider, and a sidecar in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cachedistill_sidecar.app import Sidecar
from tests.routes import route_document
from tests.running import Running
from tests.upstream import Upstream


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """The provider, in a thread of its own since most SDKs block."""
    with Running(Upstream) as running:
        yield running


@pytest.fixture(scope="session")
def sidecar_url(upstream: Upstream, redis_url: str, embedder_folder: Path) -> Iterator[str]:
    """Base URL of a sidecar whose only provider is `upstream`, with an empty cache; it runs in another thread.

    The cache answers exact repetitions alone, since the scenarios' questions aren't meant to tell meanings apart.
    """
    document = route_document(upstream.url, redis_url=redis_url, cache="contract", semantic=None)
    with Running(lambda: Sidecar(document, find_model=lambda _: embedder_folder)) as sidecar:
        yield sidecar.url
