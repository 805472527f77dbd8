"""By what a namespace's pods reach a cache's Redis, and which namespaces may."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cachedistill_operator.api.group import API_VERSION, Key, cache_secret
from cachedistill_operator.api.model_route import KIND as ROUTE
from cachedistill_operator.api.selector import matches
from cachedistill_operator.api.semantic_cache import AllowedFrom, SemanticCacheSpec
from cachedistill_operator.render.cache import CLIENT, Cache, Manifest
from cachedistill_operator.render.cache_keys import CacheKeys
from cachedistill_operator.render.redis_secret import secret

URL_KEY, CA_KEY, SEAL_KEY, ENCRYPTION_KEY = "url", "ca.crt", "seal.key", "encryption.key"
"""The keys of that Secret: each is a file of the sidecar."""


def allows(spec: SemanticCacheSpec, own: str, namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether routes of a namespace with these labels may use a cache of the namespace `own`."""
    allowed = spec.allowed_namespaces
    if namespace == own or allowed.from_ is AllowedFrom.ALL:
        return True
    return allowed.from_ is AllowedFrom.SELECTOR and allowed.selector is not None and matches(allowed.selector, labels)


def using(
    cache: Cache, routes: Mapping[Key, Mapping[str, Any]], namespaces: Mapping[str, Mapping[str, str]]
) -> list[Key]:
    """Those of the routes that name the cache which may use it, in order; ones that are being deleted don't count."""
    return sorted(
        key
        for key, route in routes.items()
        if "deletionTimestamp" not in route["metadata"]
        and allows(cache.spec, cache.key.namespace, key.namespace, namespaces.get(key.namespace, {}))
    )


def client_secret(
    cache: Cache, namespace: str, routes: Iterable[Mapping[str, Any]], url: str, ca: str | None, keys: CacheKeys
) -> Manifest:
    """The Secret that sidecars and index Jobs of a namespace mount.

    In another namespace than the cache's it can't be owned by the cache: it is owned by the namespace's routes.
    """
    name = cache_secret(cache.key, namespace)
    metadata = cache.metadata(name, CLIENT)
    if namespace != cache.key.namespace:
        owners = [_owner(route) for route in sorted(routes, key=lambda route: str(route["metadata"]["name"]))]
        metadata = {**metadata, "namespace": namespace, "ownerReferences": owners}
    given = {URL_KEY: url, CA_KEY: ca, SEAL_KEY: keys.seal, ENCRYPTION_KEY: keys.encryption}
    return secret(metadata, {name: value for name, value in given.items() if value is not None})


def _owner(route: Mapping[str, Any]) -> dict[str, Any]:
    meta = route["metadata"]
    return {"apiVersion": API_VERSION, "kind": ROUTE, "name": meta["name"], "uid": meta["uid"]}
