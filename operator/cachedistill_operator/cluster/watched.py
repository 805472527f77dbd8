"""What the watches have told of the cluster: whole resources of ours, and the facts about pods that matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cachedistill_operator.api.group import (
    DOCUMENT_ANNOTATION,
    INJECTION_ANNOTATION,
    ROUTE_LABEL,
    Key,
)


@dataclass(frozen=True, slots=True)
class Owner:
    """What controls an object."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class PodFacts:
    """An injected pod. Not the whole pod: five hundred of those would take 20 MB."""

    namespace: str
    name: str
    route: str
    injection: str | None
    document: str | None
    phase: str
    owner: Owner | None
    deleting: bool

    @property
    def running(self) -> bool:
        """Whether it is not over, nor about to be."""
        return not self.deleting and self.phase not in ("Succeeded", "Failed")


@dataclass(slots=True)
class Watched:
    """All of it, kept up to date by the handlers."""

    routes: dict[Key, dict[str, Any]] = field(default_factory=dict)
    caches: dict[Key, dict[str, Any]] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    """Namespaces that are being deleted: nothing new can be made there."""
    pods: dict[Key, PodFacts] = field(default_factory=dict)

    def pods_of(self, route: Key) -> list[PodFacts]:
        """The injected pods of a route."""
        return [pod for pod in self.pods.values() if pod.namespace == route.namespace and pod.route == route.name]

    def routes_using(self, cache: Key) -> list[Key]:
        """The routes that name a cache, whether they may use it or not."""
        return [key for key, route in self.routes.items() if cache in caches_of(key, route)]


def key_of(resource: Mapping[str, Any]) -> Key:
    """Namespace and name."""
    return Key(resource["metadata"].get("namespace", ""), resource["metadata"]["name"])


def caches_of(route: Key, resource: Mapping[str, Any]) -> list[Key]:
    """The caches that a route's rules name, each once, in their order."""
    refs = [rule["cache"]["ref"] for rule in resource["spec"].get("rules", ()) if rule.get("cache")]
    return list(dict.fromkeys(Key(ref.get("namespace") or route.namespace, ref["name"]) for ref in refs))


def for_caches(route: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of a route the caches go by that it names: its spec, whether it stays, its document."""
    document = (route.get("status") or {}).get("routeDocument") or {}
    return *_lasting(route), document.get("digest")


def for_routes(cache: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of a cache the routes go by that name it: its spec, whether it stays, the model that embeds now."""
    embedding = (cache.get("status") or {}).get("embedding") or {}
    return *_lasting(cache), embedding.get("model")


def _lasting(resource: Mapping[str, Any]) -> tuple[Any, ...]:
    return resource["metadata"]["generation"], "deletionTimestamp" in resource["metadata"]


def facts(pod: Mapping[str, Any]) -> PodFacts:
    """What matters of an injected pod."""
    meta = pod["metadata"]
    annotations = meta.get("annotations") or {}
    return PodFacts(
        namespace=meta["namespace"],
        name=meta["name"],
        route=(meta.get("labels") or {}).get(ROUTE_LABEL, ""),
        injection=annotations.get(INJECTION_ANNOTATION),
        document=annotations.get(DOCUMENT_ANNOTATION),
        phase=(pod.get("status") or {}).get("phase", "Pending"),
        owner=owner_of(pod),
        deleting="deletionTimestamp" in meta,
    )


def owner_of(resource: Mapping[str, Any]) -> Owner | None:
    """What controls an object, if anything does."""
    for reference in resource["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return Owner(reference["apiVersion"], reference["kind"], reference["name"])
    return None
