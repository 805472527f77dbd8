"""What the scenarios put into a namespace: a provider, an app, a cache, a route."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cachedistill_operator.api.group import API_VERSION, INJECT_LABEL

Manifest = dict[str, Any]

_RESTRICTED = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
PROVIDER_PORT = 8000
_QUERIES = "/etc/provider"


def provider(
    image: str, name: str = "provider", *options: str, answers: Mapping[str, str] | None = None
) -> list[Manifest]:
    """The emulated provider, behind a Service of the same name; `answers` by query, where they are to be known."""
    queries = f"{_QUERIES}/queries.jsonl"
    options = ("--host", "0.0.0.0", "--port", str(PROVIDER_PORT), "--queries", queries, *options)
    command = ["python", "-m", "tests.upstream", *options]
    container = {
        **_container(name, image, command),
        "readinessProbe": {"tcpSocket": {"port": PROVIDER_PORT}, "periodSeconds": 1},
        "volumeMounts": [{"name": "queries", "mountPath": _QUERIES}],
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": PROVIDER_PORT}]},
    }
    lines = [json.dumps({"text": text, "group": answer, "answer": answer}) for text, answer in (answers or {}).items()]
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"queries.jsonl": "\n".join(lines)},
    }
    return [config_map, mounting(deployment(name, container, inject=None), "queries", name), service]


def collector(image: str) -> list[Manifest]:
    """An OpenTelemetry Collector that prints what it gets."""
    settings = """
receivers: {otlp: {protocols: {http: {endpoint: "0.0.0.0:4318"}}}}
exporters: {debug: {verbosity: detailed}}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [debug]}
    metrics: {receivers: [otlp], exporters: [debug]}
"""
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "collector"},
        "data": {"config.yaml": settings},
    }
    container = {
        **_container("collector", image, None),
        "args": ["--config", "/etc/collector/config.yaml"],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/collector"}],
        "readinessProbe": {"tcpSocket": {"port": 4318}, "periodSeconds": 1},
    }
    made = mounting(deployment("collector", container, inject=None), "config", "collector")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "collector"},
        "spec": {"selector": {"app": "collector"}, "ports": [{"port": 4318}]},
    }
    return [config_map, made, service]


def app(image: str, name: str = "chat", *, inject: str | None = "enabled", env: Manifest | None = None) -> Manifest:
    """An app with the official SDKs that waits to be asked to ask."""
    container = _container("app", image, ["sleep", "infinity"])
    container["env"] = [{"name": key, "value": value} for key, value in (env or {}).items()]
    return deployment(name, container, inject=inject)


def job(image: str, name: str, command: list[str], inject: str = "enabled") -> Manifest:
    """A Job that runs one command in an injected pod."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": _template(name, _container("app", image, command), inject, "Never")},
    }


def deployment(name: str, container: Manifest, *, inject: str | None, replicas: int = 1) -> Manifest:
    """One container, labelled app=NAME."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": _template(name, container, inject, "Always"),
        },
    }


def mounting(made: Manifest, volume: str, config_map: str) -> Manifest:
    """A deployment that has a ConfigMap as a volume."""
    made["spec"]["template"]["spec"]["volumes"] = [{"name": volume, "configMap": {"name": config_map}}]
    return made


def cache(name: str = "support", **spec: Any) -> Manifest:
    """A SemanticCache with a managed Redis; keywords change its spec."""
    return _resource("SemanticCache", name, {"redis": {"managed": {}}, **spec})


def route(name: str = "chat", *, use: Manifest | None = None, app: str = "chat", **spec: Any) -> Manifest:
    """A ModelRoute for the pods of an app, with one rule, to the provider of its namespace; `use`: its cache."""
    names = ("OpenAI", "Anthropic")
    service = {"name": "provider", "port": PROVIDER_PORT}
    fallbacks = [{"name": each.lower(), "endpoint": {"service": service, "dialect": each}} for each in names]
    rule = {"name": "all", "fallbacks": [each["name"] for each in fallbacks], **({"cache": use} if use else {})}
    own = {"selector": {"matchLabels": {"app": app}}, "rules": [rule], "fallbacks": fallbacks}
    return _resource("ModelRoute", name, own | spec)


def using(name: str = "support", namespace: str | None = None, **more: Any) -> Manifest:
    """How a rule uses a cache: exactly and by meaning."""
    ref = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"ref": ref, "semantic": {"maxErrorPermille": 20}, **more}


def _resource(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _container(name: str, image: str, command: list[str] | None) -> Manifest:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": _RESTRICTED,
        **({"command": command} if command is not None else {}),
    }


def _template(name: str, container: Manifest, inject: str | None, restart: str) -> Manifest:
    labels = {"app": name} | ({INJECT_LABEL: inject} if inject is not None else {})
    spec = {"terminationGracePeriodSeconds": 1, "restartPolicy": restart, "containers": [container]}
    return {"metadata": {"labels": labels}, "spec": spec}
