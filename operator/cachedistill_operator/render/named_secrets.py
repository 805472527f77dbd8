"""Which Secrets of a namespace the controller may touch: those that a resource names, those that it makes, no other.

RBAC can't say "the Secrets that a SemanticCache names", so the controller keeps a Role in each namespace that does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cachedistill_operator.api.group import (
    INTERCEPTION_CA_SECRET,
    MANAGED_BY,
    NAMED_SECRETS_ROLE,
    Key,
    cache_secret,
    redis_of,
)
from cachedistill_operator.api.model_route import Mode
from cachedistill_operator.api.semantic_cache import SemanticCacheSpec
from cachedistill_operator.cluster.watched import caches_of
from cachedistill_operator.render.redis_clients import allows
from cachedistill_operator.settings import Settings

_RBAC = "rbac.authorization.k8s.io"

Resource = dict[str, Any]
Resources = Mapping[Key, Resource]


@dataclass(frozen=True, slots=True)
class NamedSecrets:
    """Of one namespace: the Secrets that are read, those that the controller makes, and what needs them."""

    namespace: str
    read: frozenset[str] = frozenset()
    made: frozenset[str] = frozenset()
    owners: tuple[Resource, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to grant."""
        return bool(self.read or self.made)


def named(
    namespace: str, routes: Resources, caches: Resources, namespaces: Mapping[str, Mapping[str, str]]
) -> NamedSecrets:
    """Gather them from all resources that there are; `namespaces` are the labels of each.

    A cache that is being deleted counts: its Secrets are needed for that.
    """
    read: set[str] = set()
    made: set[str] = set()
    owners = []
    for cache, resource in caches.items():
        if cache.namespace == namespace:
            redis = resource["spec"]["redis"]
            read |= {ref["name"] for ref in (redis.get("external") or {}).values()}
            if (encryption := resource["spec"].get("encryption")) is not None:
                read.add(encryption["keySecretRef"]["name"])
            made |= {cache_secret(cache, namespace)} | (
                {redis_of(cache.name)} if redis.get("managed") is not None else set()
            )
            owners.append(resource)
    usable = _Usable(caches, namespace, namespaces.get(namespace, {}))
    for route, resource in routes.items():
        if route.namespace == namespace and "deletionTimestamp" not in resource["metadata"]:
            keys = set(_credentials(resource))
            own = {cache_secret(cache, namespace) for cache in caches_of(route, resource) if cache in usable}
            own |= {INTERCEPTION_CA_SECRET} if _is_transparent(resource) else set()
            read |= keys
            made |= own
            owners += [resource] if keys or own else []
    return NamedSecrets(namespace, frozenset(read - made), frozenset(made), tuple(owners))


def role(secrets: NamedSecrets) -> dict[str, Any]:
    """The Role."""
    grants = ((secrets.read, ["get"]), (secrets.made, ["create", "delete", "get", "patch"]))
    rules = [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": sorted(names), "verbs": verbs}
        for names, verbs in grants
        if names
    ]
    return {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": _metadata(secrets), "rules": rules}


def role_binding(secrets: NamedSecrets, settings: Settings) -> dict[str, Any]:
    """The RoleBinding: to the controller's service account alone."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": _metadata(secrets),
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": NAMED_SECRETS_ROLE},
        "subjects": [
            {
                "kind": "ServiceAccount",
                "name": settings.controller_service_account,
                "namespace": settings.namespace,
            }
        ],
    }


def disposable(live_role: Mapping[str, Any] | None, secrets: NamedSecrets) -> list[str]:
    """The Secrets made for what nothing needs any more: the Role remembers them, as Secrets can't be listed.

    Never a managed Redis' own, `<cache>-redis`: it may have to outlive its cache.
    """
    rules = (live_role or {}).get("rules") or ()
    made = {name for rule in rules if "delete" in rule["verbs"] for name in rule["resourceNames"]}
    return sorted(name for name in made - secrets.made if not name.endswith(redis_of("")))


def owner(resource: Resource) -> dict[str, Any]:
    """An owner of several: what they own goes when all of them are gone, even when no controller runs then."""
    meta = resource["metadata"]
    return {
        "apiVersion": resource["apiVersion"],
        "kind": resource["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
    }


def _metadata(secrets: NamedSecrets) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": NAMED_SECRETS_ROLE,
        "namespace": secrets.namespace,
        "labels": dict(MANAGED_BY),
    }
    if secrets.owners:
        metadata["ownerReferences"] = sorted(map(owner, secrets.owners), key=lambda each: str(each["uid"]))
    return metadata


# Specs are read as the API server has checked them, not validated once more: a look at one route looks at all of its
# namespace, and validating two hundred took 10 ms.


def _credentials(route: Resource) -> Iterator[str]:
    for fallback in route["spec"]["fallbacks"]:
        if (ref := fallback["endpoint"].get("credentialsSecretRef")) is not None:
            yield ref["name"]


def _is_transparent(route: Resource) -> bool:
    return bool((route["spec"].get("interception") or {}).get("mode") == Mode.TRANSPARENT)


class _Usable:
    """The caches that routes of a namespace may use; each is asked about once."""

    def __init__(self, caches: Resources, namespace: str, labels: Mapping[str, str]) -> None:
        self._caches, self._namespace, self._labels = caches, namespace, labels
        self._known: dict[Key, bool] = {}

    def __contains__(self, cache: Key) -> bool:
        if cache not in self._known:
            self._known[cache] = cache in self._caches and self._allows(cache)
        return self._known[cache]

    def _allows(self, cache: Key) -> bool:
        try:
            spec = SemanticCacheSpec.model_validate(self._caches[cache]["spec"])
        except ValidationError:
            return False
        return allows(spec, cache.namespace, self._namespace, self._labels)
