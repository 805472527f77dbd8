"""Whether a pod asks for a sidecar, and whether it can have one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cachedistill_operator.api import group
from cachedistill_operator.inject.skip import Skip, SkipReason

SIDECAR = "cachedistill"
"""The name of the sidecar's container."""

ENABLED, REQUIRED, DISABLED = "enabled", "required", "disabled"
_MIRROR = "kubernetes.io/config.mirror"
_SYSTEM = "kubernetes.io/os"


def request_of(pod: Mapping[str, Any], namespace_labels: Mapping[str, str]) -> str | None:
    """What the label says: the pod's, or else its namespace's; None where neither has it."""
    labels = pod["metadata"].get("labels") or {}
    label: str | None = labels.get(group.INJECT_LABEL, namespace_labels.get(group.INJECT_LABEL))
    return label


def is_required(pod: Mapping[str, Any], namespace_labels: Mapping[str, str]) -> bool:
    """Whether the pod may not run without a sidecar."""
    return request_of(pod, namespace_labels) == REQUIRED


def is_injected(pod: Mapping[str, Any]) -> bool:
    """Whether the pod carries a sidecar that inject put there."""
    return group.INJECTION_ANNOTATION in (pod["metadata"].get("annotations") or {}) and any(
        each["name"] == SIDECAR for each in pod["spec"].get("initContainers") or []
    )


def containers_of(pod: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All containers of a pod, init containers first."""
    yield from pod["spec"].get("initContainers") or []
    yield from pod["spec"]["containers"]


def check_request(pod: Mapping[str, Any], namespace_labels: Mapping[str, str]) -> None:
    """Raises Skip where nobody asks for a sidecar."""
    asked = request_of(pod, namespace_labels)
    if asked is None:
        raise Skip(SkipReason.NOT_REQUESTED, "nobody asked for a sidecar")
    if asked == DISABLED:
        raise Skip(SkipReason.DISABLED, f"the label {group.INJECT_LABEL} asks for no sidecar")
    if asked not in (ENABLED, REQUIRED):
        message = f"the label {group.INJECT_LABEL} is {asked!r}; it must be enabled, required or disabled"
        raise Skip(SkipReason.INVALID_LABEL, message)


def check_pod(pod: Mapping[str, Any], *, ports: frozenset[int], volumes: frozenset[str]) -> None:
    """Raises Skip where the pod can't have the sidecar, which needs `ports`, its own name and those of `volumes`."""
    spec = pod["spec"]
    if spec.get("hostNetwork"):
        raise Skip(SkipReason.HOST_NETWORK, "spec.hostNetwork is true: a sidecar's ports would be the node's")
    if (spec.get("os") or {}).get("name", "linux") != "linux" or (spec.get("nodeSelector") or {}).get(
        _SYSTEM, "linux"
    ) != "linux":
        raise Skip(SkipReason.WINDOWS, f"spec.os or the node selector {_SYSTEM} asks for another system than Linux")
    if _MIRROR in (pod["metadata"].get("annotations") or {}):
        raise Skip(SkipReason.MIRROR_POD, "the kubelet made this pod from a file; only that file can change it")
    if is_injected(pod):
        return
    for container in containers_of(pod):
        if container["name"] == SIDECAR:
            raise Skip(SkipReason.NAME_TAKEN, f"the pod has a container named {SIDECAR} of its own")
        for port in container.get("ports") or []:
            if port["containerPort"] in ports:
                raise Skip(
                    SkipReason.PORT_TAKEN,
                    f"container {container['name']} declares port {port['containerPort']}, which the sidecar needs",
                )
    for volume in spec.get("volumes") or []:
        if volume["name"] in volumes:
            raise Skip(SkipReason.NAME_TAKEN, f"the pod has a volume named {volume['name']} of its own")
