"""Which values the chart takes, and what it says of the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.chart import CHART, KUBERNETES, ChartError, helm, render


def nested(path: str, value: object) -> dict[str, Any]:
    """{"a": {"b": value}} for a.b."""
    for part in reversed(path.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


WRONG = {
    "image.tga": "1",
    "webhok": {},
    "controller.replicas": "two",
    "controller.driftSeconds": 1,
    "webhook.failurePolicy": "Maybe",
    "webhook.timeoutSeconds": 31,
    "webhook.enforceRequired": "yes",
    "webhook.certificates.source": "letsencrypt",
    "webhook.certificates.issuerRef": {"kind": "ClusterIssuer"},
    "webhook.excludedNamespaces": ["Not a name"],
    "sidecar.resources.limits.memory": "lots",
    "sidecar.resources.requests.cpu": 1,
    "sidecar.image.pullPolicy": "Sometimes",
    "sidecar.logLevel": "loud",
    "redis.image.digest": "sha256:short",
    "log.format": "xml",
    "telemetry.endpoint": "otel-collector:4318",
    "imagePullSecrets": ["not an object"],
    "pods.extraEnv": [{"value": "nameless"}],
    "pods.nodeSelector.disk": True,
    "monitoring.serviceMonitor.interval": "30",
    "monitoring.podMonitor.namespaces": ["shop"],
    "networkPolicy.metricsFrom": {},
    "crds.keep": "no",
}


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_value_is_refused_by_its_name(path: str) -> None:
    with pytest.raises(ChartError) as refused:
        render(nested(path, WRONG[path]))
    *parents, name = path.split(".")
    assert "/".join(parents) in str(refused.value)
    assert name in str(refused.value)


def test_an_existing_secret_must_have_a_name() -> None:
    with pytest.raises(ChartError, match="/webhook/certificates/existingSecret"):
        render(nested("webhook.certificates.source", "existingSecret"))


def test_a_kubernetes_without_native_sidecars_is_refused() -> None:
    with pytest.raises(ChartError, match=r"requires kubeVersion: >=1\.30"):
        helm("template", str(CHART), "--kube-version", "1.29.9")


def test_helm_finds_nothing_to_complain_about() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", "--kube-version", KUBERNETES, str(CHART))


def leaves(values: dict[str, Any], path: str = "") -> Iterator[str]:
    """Paths of all values that hold no named ones."""
    for name, value in values.items():
        place = f"{path}.{name}".removeprefix(".")
        if isinstance(value, dict) and value:
            yield from leaves(value, place)
        else:
            yield place


def in_schema(schema: dict[str, Any], definitions: dict[str, Any], path: str = "") -> Iterator[str]:
    """Paths of all values that the schema names."""
    schema = definitions[schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else schema
    for name, value in schema.get("properties", {}).items():
        place = f"{path}.{name}".removeprefix(".")
        yield place
        yield from in_schema(value, definitions, place)


def test_the_schema_has_exactly_the_values_that_have_a_default() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf8"))
    defaults = yaml.safe_load((CHART / "values.yaml").read_text("utf8"))
    named = set(in_schema(schema, schema["$defs"])) - {"global"}
    ends = {path for path in named if not any(other.startswith(f"{path}.") for other in named)}
    inner = {"resources", "issuerRef"}  # Their insides are Kubernetes' own.
    wanted = {path for path in leaves(defaults) if not inner & set(path.split("."))}
    assert wanted == {path for path in ends if not inner & set(path.split("."))}


def test_the_readme_tells_of_every_value() -> None:
    told = (CHART / "README.md").read_text("utf8")
    defaults = yaml.safe_load((CHART / "values.yaml").read_text("utf8"))
    missing = [
        path
        for path in leaves(defaults)
        if f"`{path}`" not in told and f"`{path.partition('.resources')[0]}.resources`" not in told
    ]
    assert missing == []
