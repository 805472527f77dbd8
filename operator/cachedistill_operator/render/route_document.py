"""The route document of a ModelRoute, and the ConfigMap that brings it to the sidecars."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from cachedistill_operator.api.group import (
    MANAGED_BY,
    MOUNT,
    ROUTE_LABEL,
    Key,
    cache_name,
    config_map_of,
)
from cachedistill_operator.api.model_route import ModelRouteSpec, RouteFallback, RouteRule
from cachedistill_operator.render.redis_clients import CA_KEY, ENCRYPTION_KEY, SEAL_KEY, URL_KEY
from cachedistill_operator.render.route_references import UsableCache, cache_key
from cachedistill_operator.settings import Settings
from cachedistill_sidecar.route_document import (
    Cache,
    CacheUse,
    Embedding,
    Endpoint,
    Fallback,
    Redis,
    RouteDocument,
    Rule,
)

FILE = "route.json"


def document(route: Key, spec: ModelRouteSpec, caches: Mapping[Key, UsableCache], settings: Settings) -> RouteDocument:
    """What the sidecars of a route are to read. A rule whose cache isn't in `caches` caches nothing.

    Raises pydantic.ValidationError for what no route document can hold.
    """
    telemetry = spec.telemetry
    if telemetry.endpoint is None:
        telemetry = telemetry.model_copy(update={"endpoint": settings.sidecar.telemetry_endpoint})
    return RouteDocument(
        name=route.name,
        namespace=route.namespace,
        caches=tuple(_cache(cache) for cache in caches.values()),
        rules=tuple(_rule(route, rule, caches) for rule in spec.rules),
        fallbacks=tuple(_fallback(route, fallback, settings) for fallback in spec.fallbacks),
        carbon=spec.carbon,
        failure_policy=spec.failure_policy,
        telemetry=telemetry,
    )


def text(route_document: RouteDocument) -> str:
    """As JSON; the same for the same document."""
    content = route_document.model_dump(mode="json", by_alias=True, exclude_none=True)
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2).decode()


def digest(content: str) -> str:
    """By which the status and the pods' annotations name a document."""
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


def config_map(route: Mapping[str, Any], content: str) -> dict[str, Any]:
    """The ConfigMap of a ModelRoute, which it owns."""
    meta = route["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": config_map_of(meta["name"]),
            "namespace": meta["namespace"],
            "labels": {**MANAGED_BY, ROUTE_LABEL: meta["name"]},
            "ownerReferences": [
                {
                    "apiVersion": route["apiVersion"],
                    "kind": route["kind"],
                    "name": meta["name"],
                    "uid": meta["uid"],
                    "controller": True,
                }
            ],
        },
        "data": {FILE: content},
    }


def _cache(cache: UsableCache) -> Cache:
    spec, folder = cache.spec, f"{MOUNT}/caches/{cache_name(cache.key)}"
    return Cache(
        name=cache_name(cache.key),
        redis=Redis(url_file=f"{folder}/{URL_KEY}", ca_file=f"{folder}/{CA_KEY}" if cache.has_ca else None),
        embedding=Embedding(model=cache.model),
        scope=spec.scope,
        tenant_header=spec.tenant_header,
        user_header=spec.user_header,
        ttl_seconds=spec.ttl_seconds,
        max_entry_bytes=spec.max_entry_bytes,
        near_bytes=spec.near_bytes,
        stream_replay=spec.stream_replay,
        poisoning=spec.poisoning,
        seal_file=f"{folder}/{SEAL_KEY}",
        encryption_file=f"{folder}/{ENCRYPTION_KEY}" if spec.encryption is not None else None,
    )


def _rule(route: Key, rule: RouteRule, caches: Mapping[Key, UsableCache]) -> Rule:
    key = cache_key(route, rule)
    use = None
    if rule.cache is not None and key is not None and key in caches:
        use = CacheUse(
            ref=cache_name(key),
            semantic=rule.cache.semantic,
            conversations=rule.cache.conversations,
            temperature_limit_permille=rule.cache.temperature_limit_permille,
            tool_calls=rule.cache.tool_calls,
            on_disconnect=rule.cache.on_disconnect,
        )
    return Rule(name=rule.name, match=rule.match, cache=use, fallbacks=rule.fallbacks)


def _fallback(route: Key, fallback: RouteFallback, settings: Settings) -> Fallback:
    endpoint, secret = fallback.endpoint, fallback.endpoint.credentials_secret_ref
    return Fallback(
        name=fallback.name,
        endpoint=Endpoint(url=endpoint.url or _service_url(route, fallback, settings), dialect=endpoint.dialect),
        credentials_file=f"{MOUNT}/credentials/{fallback.name}/{secret.key}" if secret is not None else None,
        models=fallback.models,
        price=fallback.price,
        energy=fallback.energy,
        timeouts=fallback.timeouts,
        retry=fallback.retry,
    )


def _service_url(route: Key, fallback: RouteFallback, settings: Settings) -> str:
    service = fallback.endpoint.service
    if service is None:
        raise ValueError(f"fallbacks.{fallback.name}.endpoint: exactly one of url and service must be set")
    namespace = service.namespace or route.namespace
    return f"http://{service.name}.{namespace}.svc.{settings.cluster_domain}:{service.port}"
