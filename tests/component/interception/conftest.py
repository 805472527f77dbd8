"""A pod whose app calls providers by their real names, and a sidecar that is in between."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.component.cli.command_line import PATIENCE
from tests.interception import pod as inside
from tests.interception.pod import HOSTS, Pod

ADMIN = "http://127.0.0.1:14090"


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """The pod alone, without a sidecar."""
    if not inside.available():
        pytest.skip("this machine lets nobody make user, mount and network namespaces")
    running = Pod(tmp_path_factory.mktemp("pod"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def intercepted(pod: Pod, redis_url: str) -> Pod:
    """The pod with a sidecar as the operator starts it."""
    route = pod.folder / "route.json"
    route.write_bytes(orjson.dumps(document(redis_url)))
    start_sidecar(pod, route)
    wait_until_ready(pod)
    return pod


@pytest.fixture(scope="module")
def trust(pod: Pod) -> dict[str, str]:
    """The variables by which an app trusts the sidecar."""
    bundle = str(pod.folder / "trust" / "bundle.pem")
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    return dict.fromkeys(names, bundle) | {"OPENAI_API_KEY": "key-of-openai", "ANTHROPIC_API_KEY": "key-of-anthropic"}


def document(redis_url: str) -> dict[str, Any]:
    """Rules for OpenAI (some models in the cluster, some at a host that only /etc/hosts knows) and for Anthropic."""
    places = {
        "openai": ("https://api.openai.com", "OpenAI"),
        "anthropic": ("https://api.anthropic.com", "Anthropic"),
        "in-cluster": ("http://vllm.models.svc:8000", "OpenAI"),
        "aliased": ("http://gateway.internal", "OpenAI"),
    }
    use = {"cache": {"ref": "shop.intercepted"}}
    return {
        "name": "chat",
        "namespace": "shop",
        "caches": [{"name": "shop.intercepted", "redis": {"url": redis_url}}],
        "rules": [
            {"name": "small", "match": {"models": ["llama*"]}, "fallbacks": ["in-cluster"]},
            {"name": "inside", "match": {"models": ["house*"]}, "fallbacks": ["aliased"]},
            {"name": "all", "match": {"models": ["gpt*", "claude*"]}, "fallbacks": ["openai", "anthropic"], **use},
        ],
        "fallbacks": [
            {"name": name, "endpoint": {"url": url, "dialect": dialect}} for name, (url, dialect) in places.items()
        ],
    }


def start_sidecar(pod: Pod, route: Path) -> None:
    """Start a sidecar as the operator does; it verifies providers by the public CA of the tests."""
    hosts = [word for host in HOSTS for word in ("--intercept-host", host)]
    pod.start(
        *(sys.executable, "-m", "cachedistill_sidecar", "run", "--route", route, "--route-optional"),
        *("--port", "14080", "--admin-port", "14090", "--log-format", "json", *hosts),
        *("--intercept-ca", pod.folder / "authority", "--trust-bundle", pod.folder / "trust" / "bundle.pem"),
        env={"SSL_CERT_FILE": str(pod.folder / "public.pem")},
    )


def wait_until_ready(pod: Pod) -> None:
    """As the kubelet's startup probe does."""
    deadline = time.monotonic() + PATIENCE
    while pod.run("curl", "-sf", f"{ADMIN}/readyz")["code"] != 0:
        assert time.monotonic() < deadline, (pod.folder / "log").read_text()
        time.sleep(0.1)
