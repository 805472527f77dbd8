"""All that a pod gets for its route.

What the user set stays as it is: containers, variables, mounts and the rest are only added, and a list that has its
part already is left alone, so that adding twice is adding once.
"""

from __future__ import annotations

from typing import Any

from cachedistill_operator.api import group
from cachedistill_operator.api.group import Key
from cachedistill_operator.api.model_route import Mode, ModelRouteSpec
from cachedistill_operator.inject import environment, transparent, volumes
from cachedistill_operator.inject.container import sidecar
from cachedistill_operator.inject.decision import SIDECAR, containers_of, is_injected
from cachedistill_operator.inject.skip import Skip, SkipReason
from cachedistill_operator.settings import Settings

NEIGHBOURS = frozenset(
    "istio-init istio-proxy istio-validation linkerd-init linkerd-network-validator linkerd-proxy daprd "
    "vault-agent vault-agent-init".split()
)
"""Containers that other injectors put beside an app: they ask no LLM, and other roots could cut them off."""


def add(pod: dict[str, Any], route: dict[str, Any], spec: ModelRouteSpec, settings: Settings) -> tuple[str, ...]:
    """Add to a pod all that depends on its route, in place. Raises Skip."""
    interception = spec.interception
    transparently = interception.mode is Mode.TRANSPARENT
    intercepted, warnings = _intercepted(pod)
    proxy, near = environment.proxy_of(intercepted), [*environment.LOCAL]
    if transparently:
        transparent.allow_low_port(pod["spec"])
        redirected, told = transparent.redirect(pod["spec"], interception.hosts)
        near += redirected
        warnings += told
    for container in intercepted:
        if transparently:
            warnings += transparent.trust(container)
        else:
            warnings += environment.set_base_urls(container, interception.providers)
        warnings += environment.spare_proxy(container, near)
    if not is_injected(pod):
        _place(pod, route, spec, settings, proxy)
    return tuple(warnings)


def _place(
    pod: dict[str, Any], route: dict[str, Any], spec: ModelRouteSpec, settings: Settings, proxy: list[dict[str, Any]]
) -> None:
    own = sidecar(spec, pod["metadata"].get("annotations") or {}, settings)
    own["env"] += proxy
    body, key = pod["spec"], Key(route["metadata"]["namespace"], route["metadata"]["name"])
    # First: whatever starts after it, init containers too, finds it listening.
    body["initContainers"] = [own, *(body.get("initContainers") or [])]
    body["volumes"] = [*(body.get("volumes") or []), *volumes.volumes(key, spec)]
    known = [each.get("name") for each in body.get("imagePullSecrets") or []]
    missing = [{"name": name} for name in settings.sidecar.image_pull_secrets if name not in known]
    if missing:
        body["imagePullSecrets"] = [*(body.get("imagePullSecrets") or []), *missing]


def _intercepted(pod: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    candidates = [each for each in containers_of(pod) if each["name"] != SIDECAR]
    annotation = (pod["metadata"].get("annotations") or {}).get(group.CONTAINERS_ANNOTATION)
    if annotation is None:
        return [each for each in candidates if each["name"] not in NEIGHBOURS], []
    wanted = {name.strip() for name in annotation.split(",") if name.strip()}
    found = [each for each in candidates if each["name"] in wanted]
    if not found:
        raise Skip(SkipReason.NO_CONTAINER, f"{group.CONTAINERS_ANNOTATION}: the pod has no container {annotation!r}")
    unknown = sorted(wanted - {each["name"] for each in found})
    return found, [f"{group.CONTAINERS_ANNOTATION}: the pod has no container {name}" for name in unknown]
