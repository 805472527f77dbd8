"""The digest tells whether a pod would be injected otherwise now: no more, no less."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cachedistill_operator.inject import digest
from tests.golden import case, settings


def changed(name: str, path: str, value: Any) -> dict[str, Any]:
    route = copy.deepcopy(case(name).route)
    assert route is not None
    target: Any = route
    *steps, last = path.split(".")
    for step in steps:
        target = target[int(step)] if isinstance(target, list) else target.setdefault(step, {})
    target[last] = value
    return route


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.sidecar", {"image": "other:1"}),
        ("spec.sidecar", {"logLevel": "debug"}),
        ("spec.sidecar", {"resources": {"limits": {"memory": "1Gi"}}}),
        ("spec.interception.providers", ["Ollama"]),
        ("spec.interception", {"mode": "Transparent", "hosts": ["api.openai.com"]}),
        ("spec.rules.0.cache.ref.name", "other"),
        ("spec.fallbacks.0.endpoint.credentialsSecretRef", {"name": "openai", "key": "token"}),
        ("status.interceptionCa", "0123"),
    ],
)
def test_what_pods_are_injected_with_changes_it(path: str, value: Any) -> None:
    assert digest(changed("plain", path, value), settings()) != digest(_ROUTE, settings())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.carbon", {"gramsPerKilowattHour": 1}),
        ("spec.rules.0.name", "other"),
        ("spec.interception.rollout", "Manual"),
        ("status.routeDocument.digest", "sha256:other"),
        ("metadata.resourceVersion", "9"),
    ],
)
def test_what_the_sidecar_takes_up_as_it_runs_does_not(path: str, value: Any) -> None:
    assert digest(changed("plain", path, value), settings()) == digest(_ROUTE, settings())


def test_another_image_in_the_settings_changes_it() -> None:
    sidecar = settings().sidecar.model_copy(update={"image": "other:1"})
    assert digest(_ROUTE, settings().model_copy(update={"sidecar": sidecar})) != digest(_ROUTE, settings())


def test_it_is_what_the_pod_is_marked_with() -> None:
    for name in ("plain", "several-containers", "proxy", "annotations"):
        pod = case(name).run().pod
        assert pod is not None
        assert pod["metadata"]["annotations"]["cachedistill.dev/injection"] == digest(_ROUTE, settings())


_ROUTE = case("plain").route or {}
