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
from cachedistill_operator.api.model_route import Mode, ModelRouteSpec
from cachedistill_operator.api.semantic_cache import SemanticCacheSpec
from cachedistill_operator.render.redis_clients import allows
from cachedistill_operator.render.route_references import cache_key, credentials
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

    A cache that is being deleted counts: its Secrets are needed for that. A spec that can't be read names nothing.
    """
    read: set[str] = set()
    made: set[str] = set()
    owners = []
    for _, cache, cache_spec in _specs(caches, SemanticCacheSpec, namespace):
        read |= set(_urls(cache_spec))
        made |= {redis_of(cache.name)} if cache_spec.redis.managed is not None else set()
        made.add(cache_secret(cache, namespace))
        owners.append(caches[cache])
    for resource, route, route_spec in _specs(routes, ModelRouteSpec, namespace):
        if "deletionTimestamp" in resource["metadata"]:
            continue
        names = {ref.name for _, ref in credentials(route_spec)}
        clients = set(_clients(route, route_spec, caches, namespaces.get(namespace, {})))
        authority = {INTERCEPTION_CA_SECRET} if route_spec.interception.mode is Mode.TRANSPARENT else set()
        read |= names
        made |= clients | authority
        if names or clients or authority:
            owners.append(resource)
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


def _specs(resources: Resources, model: type[Any], namespace: str) -> Iterator[tuple[Resource, Key, Any]]:
    for key, resource in resources.items():
        if key.namespace == namespace:
            try:
                yield resource, key, model.model_validate(resource["spec"])
            except ValidationError:
                continue


def _urls(spec: SemanticCacheSpec) -> Iterator[str]:
    if spec.redis.external is not None:
        for ref in (spec.redis.external.url_secret_ref, spec.redis.external.ca_secret_ref):
            if ref is not None:
                yield ref.name


def _clients(route: Key, spec: ModelRouteSpec, caches: Resources, labels: Mapping[str, str]) -> Iterator[str]:
    for rule in spec.rules:
        key = cache_key(route, rule)
        if key is None or key not in caches:
            continue
        try:
            cache = SemanticCacheSpec.model_validate(caches[key]["spec"])
        except ValidationError:
            continue
        if allows(cache, key.namespace, route.namespace, labels):
            yield cache_secret(key, route.namespace)
