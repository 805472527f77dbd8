"""What a ModelRoute names, and what of it isn't there. Nothing missing stops a route: it does without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cachedistill_operator.api.base import SecretKey
from cachedistill_operator.api.group import Key
from cachedistill_operator.api.model_route import ModelRouteSpec, RouteFallback, RouteRule, ServiceRef
from cachedistill_operator.api.route_reasons import RouteReason
from cachedistill_operator.api.semantic_cache import SemanticCacheSpec
from cachedistill_operator.render.redis_clients import allows


@dataclass(frozen=True, slots=True)
class Missing:
    """A reference that can't be resolved: the field, the reason, and a sentence for people."""

    where: str
    reason: RouteReason
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True, slots=True)
class UsableCache:
    """A SemanticCache that the route may use; `model` embeds its queries now."""

    key: Key
    spec: SemanticCacheSpec
    model: str

    @property
    def has_ca(self) -> bool:
        """Whether a CA file comes with its URL."""
        managed, external = self.spec.redis.managed, self.spec.redis.external
        return (managed is not None and managed.tls) or (external is not None and external.ca_secret_ref is not None)


def caches(
    route: Key, spec: ModelRouteSpec, known: Mapping[Key, Mapping[str, Any]], labels: Mapping[str, str]
) -> tuple[dict[Key, UsableCache], list[Missing]]:
    """The caches that rules name, and what is wrong with the others; `labels` are those of the route's namespace."""
    usable: dict[Key, UsableCache] = {}
    missing = []
    for rule in spec.rules:
        if (key := cache_key(route, rule)) is None or key in usable:
            continue
        found = _cache(key, known.get(key), route.namespace, labels)
        if isinstance(found, UsableCache):
            usable[key] = found
        else:
            missing.append(Missing(f"rules.{rule.name}.cache.ref", *found))
    return usable, missing


def cache_key(route: Key, rule: RouteRule) -> Key | None:
    """The cache that a rule names."""
    if rule.cache is None:
        return None
    return Key(rule.cache.ref.namespace or route.namespace, rule.cache.ref.name)


def credentials(spec: ModelRouteSpec) -> Iterator[tuple[RouteFallback, SecretKey]]:
    """The fallbacks that name a Secret, and which."""
    for fallback in spec.fallbacks:
        if fallback.endpoint.credentials_secret_ref is not None:
            yield fallback, fallback.endpoint.credentials_secret_ref


def services(route: Key, spec: ModelRouteSpec) -> Iterator[tuple[RouteFallback, Key, ServiceRef]]:
    """The fallbacks that name a Service, and which."""
    for fallback in spec.fallbacks:
        if (ref := fallback.endpoint.service) is not None:
            yield fallback, Key(ref.namespace or route.namespace, ref.name), ref


def missing_secret(fallback: RouteFallback, ref: SecretKey, secret: Mapping[str, Any] | None) -> Missing | None:
    """What is wrong with a fallback's Secret as it was found; None for nothing."""
    if secret is None:
        sentence = f"Secret {ref.name} isn't there"
    elif ref.key not in (secret.get("data") or {}):
        sentence = f"Secret {ref.name} has no key {ref.key}"
    else:
        return None
    return Missing(_secret_field(fallback), RouteReason.SECRET_NOT_FOUND, sentence)


def unreadable_secret(fallback: RouteFallback, ref: SecretKey, error: object) -> Missing:
    """A fallback's Secret that the API server doesn't show."""
    sentence = f"Secret {ref.name} can't be read: {error}"
    return Missing(_secret_field(fallback), RouteReason.SECRET_NOT_READABLE, sentence)


def missing_service(
    fallback: RouteFallback, key: Key, ref: ServiceRef, service: Mapping[str, Any] | None
) -> Missing | None:
    """What is wrong with a fallback's Service as it was found; None for nothing."""
    if service is None:
        sentence = f"Service {key} isn't there"
    else:
        spec = service.get("spec") or {}
        ports = [port["port"] for port in spec.get("ports") or ()]
        # An ExternalName is a name in DNS: it listens where it likes.
        if ref.port in ports or spec.get("type") == "ExternalName":
            return None
        sentence = f"Service {key} has no port {ref.port}, only {', '.join(map(str, ports)) or 'none'}"
    return Missing(f"fallbacks.{fallback.name}.endpoint.service", RouteReason.SERVICE_NOT_FOUND, sentence)


def _cache(
    key: Key, resource: Mapping[str, Any] | None, namespace: str, labels: Mapping[str, str]
) -> UsableCache | tuple[RouteReason, str]:
    if resource is None:
        return RouteReason.CACHE_NOT_FOUND, f"SemanticCache {key} isn't there"
    if "deletionTimestamp" in resource["metadata"]:
        return RouteReason.CACHE_NOT_FOUND, f"SemanticCache {key} is being deleted"
    try:
        spec = SemanticCacheSpec.model_validate(resource["spec"])
    except ValidationError as error:
        return RouteReason.CACHE_NOT_FOUND, f"SemanticCache {key} can't be read: {_first(error)}"
    if not allows(spec, key.namespace, namespace, labels):
        sentence = f"SemanticCache {key} doesn't allow routes of namespace {namespace}: see its allowedNamespaces"
        return RouteReason.CACHE_NOT_ALLOWED, sentence
    active = (resource.get("status") or {}).get("embedding") or {}
    return UsableCache(key, spec, active.get("model") or spec.embedding.model)


def _first(error: ValidationError) -> str:
    detail = error.errors()[0]
    return f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"


def _secret_field(fallback: RouteFallback) -> str:
    return f"fallbacks.{fallback.name}.endpoint.credentialsSecretRef"
