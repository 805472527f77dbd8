"""A real API server with Kubernetes' controllers and no node, for the tests of the operator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.cluster.api_server import ApiServer
from e2e.machine import Unavailable


@pytest.fixture(scope="session")
def api_server() -> Iterator[ApiServer]:
    """One for the whole run: tests keep apart by namespaces. See ApiServer for url, kubeconfig and kubectl."""
    try:
        server = ApiServer()
        server.__enter__()
    except Unavailable as why:
        pytest.skip(str(why))
    try:
        yield server
    finally:
        server.__exit__()
