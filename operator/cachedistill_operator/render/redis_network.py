"""How the managed Redis is reached, by whom, and what may interrupt it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cachedistill_operator.api.group import ROUTE_LABEL, redis_of
from cachedistill_operator.render.cache import INDEX, REDIS, Cache, Manifest
from cachedistill_operator.render.redis_server import PORT
from cachedistill_operator.settings import Settings

_NAMESPACE = "kubernetes.io/metadata.name"


def host(cache: Cache, settings: Settings) -> str:
    """The Service's name in the cluster's DNS: in full, as a pod may come without search domains."""
    return f"{redis_of(cache.key.name)}.{cache.key.namespace}.svc.{settings.cluster_domain}"


def names(cache: Cache, settings: Settings) -> list[str]:
    """All names of the Service, the full one first: what its certificate is for."""
    name, namespace = redis_of(cache.key.name), cache.key.namespace
    return [host(cache, settings), f"{name}.{namespace}.svc", f"{name}.{namespace}", name]


def service(cache: Cache) -> Manifest:
    """The Service in front of it."""
    spec = {
        "type": "ClusterIP",
        "selector": cache.labels(REDIS),
        "ports": [{"name": "redis", "port": PORT, "targetPort": "redis", "protocol": "TCP"}],
    }
    return _child(cache, "v1", "Service", spec)


def disruption_budget(cache: Cache) -> Manifest:
    """One pod may be away, and there is but one: a budget that forbade it would block each drain of its node for ever,
    and apps do without a cache meanwhile. It says so to those who look for a budget."""
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": cache.labels(REDIS)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return _child(cache, "policy/v1", "PodDisruptionBudget", spec)


def policy(cache: Cache, namespaces: Iterable[str], settings: Settings) -> Manifest:
    """Who may connect: pods with a sidecar in the namespaces that use the cache, its index Jobs, the controller."""
    everywhere = sorted({cache.key.namespace, *namespaces})
    peers: list[dict[str, Any]] = [
        {
            "namespaceSelector": {"matchExpressions": [{"key": _NAMESPACE, "operator": "In", "values": everywhere}]},
            "podSelector": {"matchExpressions": [{"key": ROUTE_LABEL, "operator": "Exists"}]},
        },
        {"podSelector": {"matchLabels": cache.labels(INDEX)}},
        {
            "namespaceSelector": {"matchLabels": {_NAMESPACE: settings.namespace}},
            "podSelector": {"matchLabels": settings.controller_pod_labels},
        },
    ]
    spec = {
        "podSelector": {"matchLabels": cache.labels(REDIS)},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": peers, "ports": [{"port": PORT, "protocol": "TCP"}]}],
    }
    return _child(cache, "networking.k8s.io/v1", "NetworkPolicy", spec)


def _child(cache: Cache, api_version: str, kind: str, spec: dict[str, Any]) -> Manifest:
    metadata = cache.metadata(redis_of(cache.key.name), REDIS)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
