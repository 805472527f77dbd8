"""What is mounted into the sidecar: the route document and the Secrets that it names."""

from __future__ import annotations

from typing import Any

from cachedistill_operator.api import group
from cachedistill_operator.api.group import Key
from cachedistill_operator.api.model_route import Mode, ModelRouteSpec

FILES = "cachedistill"
SCRATCH = "cachedistill-tmp"
NO_TOKEN = "cachedistill-no-token"
TRUST = "cachedistill-trust"
NAMES = frozenset({FILES, SCRATCH, NO_TOKEN, TRUST})

# All that such a Secret may hold, now or later: which of it there is, the route document says.
_OF_A_CACHE = ("url", "ca.crt", "seal.key", "encryption.key")
TRUST_FOLDER = "/var/run/cachedistill/trust"
TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"


def volumes(route: Key, spec: ModelRouteSpec) -> list[dict[str, Any]]:
    """The pod's volumes for the sidecar. Only it mounts them, but for the trust bundle."""
    # One projected volume: the kubelet updates all its files together. Each part is optional, so that a pod starts
    # even when the controller hasn't written it yet; the sidecar takes it up when it comes.
    files = {"name": FILES, "projected": {"defaultMode": 0o444, "sources": list(_sources(route, spec))}}
    own: list[dict[str, Any]] = [files, {"name": SCRATCH, "emptyDir": {}}, {"name": NO_TOKEN, "emptyDir": {}}]
    if spec.interception.mode is Mode.TRANSPARENT:
        own.append({"name": TRUST, "emptyDir": {}})
    return own


def mounts(spec: ModelRouteSpec) -> list[dict[str, Any]]:
    """The sidecar's mounts."""
    own: list[dict[str, Any]] = [
        {"name": FILES, "mountPath": group.MOUNT, "readOnly": True},
        {"name": SCRATCH, "mountPath": "/tmp"},
        # The ServiceAccount plugin gives a token to each container that mounts nothing at this path, also to those
        # that a webhook added: it is called again after webhooks.
        {"name": NO_TOKEN, "mountPath": TOKEN_FOLDER, "readOnly": True},
    ]
    if spec.interception.mode is Mode.TRANSPARENT:
        own.append({"name": TRUST, "mountPath": TRUST_FOLDER})
    return own


def _sources(route: Key, spec: ModelRouteSpec) -> list[dict[str, Any]]:
    document = {
        "name": group.config_map_of(route.name),
        "optional": True,
        "items": [{"key": "route.json", "path": "route/route.json"}],
    }
    sources: list[dict[str, Any]] = [{"configMap": document}]
    caches = {
        Key(rule.cache.ref.namespace or route.namespace, rule.cache.ref.name)
        for rule in spec.rules
        if rule.cache is not None
    }
    for cache in sorted(caches):
        folder = f"caches/{group.cache_name(cache)}"
        sources.append(_secret(group.cache_secret(cache, route.namespace), folder, *_OF_A_CACHE))
    for fallback in spec.fallbacks:
        secret = fallback.endpoint.credentials_secret_ref
        if secret is not None:
            sources.append(_secret(secret.name, f"credentials/{fallback.name}", secret.key))
    if spec.interception.mode is Mode.TRANSPARENT:
        sources.append(_secret(group.INTERCEPTION_CA_SECRET, "interception", "tls.crt", "tls.key"))
    return sources


def _secret(name: str, folder: str, *keys: str) -> dict[str, Any]:
    items = [{"key": key, "path": f"{folder}/{key}"} for key in keys]
    return {"secret": {"name": name, "optional": True, "items": items}}
