"""A SemanticCache as it is reconciled, and what its children have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from cachedistill_operator.api.group import API_VERSION, CACHE_LABEL, DATA_FINALIZER, MANAGED_BY, Key, cache_name
from cachedistill_operator.api.semantic_cache import KIND, DeletionPolicy, SemanticCacheSpec

COMPONENT_LABEL = "app.kubernetes.io/component"
REDIS, INDEX, CLIENT = "redis", "index", "client"

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cache:
    """One SemanticCache, with its spec understood."""

    key: Key
    uid: str
    spec: SemanticCacheSpec
    resource: dict[str, Any]

    @classmethod
    def of(cls, resource: dict[str, Any]) -> Self:
        """Raises pydantic.ValidationError when the spec is not of this version."""
        meta = resource["metadata"]
        spec = SemanticCacheSpec.model_validate(resource["spec"])
        return cls(Key(meta["namespace"], meta["name"]), meta["uid"], spec, resource)

    @property
    def prefix(self) -> str:
        """What each of its keys in Redis begins with."""
        return f"cachedistill:{cache_name(self.key)}:"

    @property
    def status(self) -> dict[str, Any]:
        """As it was last seen."""
        status: dict[str, Any] = self.resource.get("status") or {}
        return status

    @property
    def deleted_at(self) -> str | None:
        """Since when it is being deleted, in RFC 3339."""
        stamp: str | None = self.resource["metadata"].get("deletionTimestamp")
        return stamp

    @property
    def finalizers(self) -> list[str]:
        """What must be done before it goes."""
        return list(self.resource["metadata"].get("finalizers") or ())

    @property
    def holds_data_outside(self) -> bool:
        """Whether deleting it must delete what no owner reference reaches: keys in somebody's own Redis."""
        return self.spec.redis.external is not None and self.spec.deletion_policy is DeletionPolicy.DELETE

    @property
    def finalized(self) -> bool:
        """Whether the finalizer is there."""
        return DATA_FINALIZER in self.finalizers

    def labels(self, component: str) -> dict[str, str]:
        """The labels of a child."""
        return {**MANAGED_BY, CACHE_LABEL: self.key.name, COMPONENT_LABEL: component}

    def metadata(self, name: str, component: str, *, owned: bool = True) -> dict[str, Any]:
        """The metadata of a child in the cache's namespace; one that isn't owned stays when the cache goes."""
        meta = {"name": name, "namespace": self.key.namespace, "labels": self.labels(component)}
        owner = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.key.name,
            "uid": self.uid,
            "controller": True,
        }
        return {**meta, "ownerReferences": [owner]} if owned else meta
