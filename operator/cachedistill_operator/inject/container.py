"""The sidecar's container."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cachedistill_operator.api import group
from cachedistill_operator.api.base import Resources
from cachedistill_operator.api.model_route import Mode, ModelRouteSpec
from cachedistill_operator.inject import volumes
from cachedistill_operator.inject.decision import SIDECAR
from cachedistill_operator.inject.skip import Skip, SkipReason
from cachedistill_operator.settings import Settings

ADMIN_PORT_NAME = "cachedistill"

_QUANTITY = re.compile(r"(\d+(?:\.\d{1,3})?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_FACTORS = {"": Decimal(1), "m": Decimal("0.001")} | {
    unit: Decimal(base) ** (power + 1)
    for base, units in ((1000, ("k", "M", "G", "T")), (1024, ("Ki", "Mi", "Gi", "Ti")))
    for power, unit in enumerate(units)
}


def sidecar(spec: ModelRouteSpec, annotations: Mapping[str, str], settings: Settings) -> dict[str, Any]:
    """The native sidecar (KEP-753): an init container that keeps running, and that Jobs do not wait for.

    Raises Skip where an annotation has a value that can't be used.
    """
    return {
        "name": SIDECAR,
        "image": spec.sidecar.image or settings.sidecar.image,
        "imagePullPolicy": settings.sidecar.image_pull_policy,
        "restartPolicy": "Always",
        "args": _arguments(spec, settings),
        "env": _environment(),
        "ports": [{"name": ADMIN_PORT_NAME, "containerPort": group.ADMIN_PORT, "protocol": "TCP"}],
        "resources": _resources(spec.sidecar.resources or settings.sidecar.resources, annotations),
        # The app's containers start when this holds: their first call finds the sidecar listening.
        "startupProbe": _probe("/readyz", period=1, failures=120),
        "readinessProbe": _probe("/readyz", period=5, failures=3),
        "livenessProbe": _probe("/healthz", period=10, failures=6),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsGroup": 65532,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": volumes.mounts(spec),
    }


def _environment() -> list[dict[str, Any]]:
    where = f"k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME),k8s.container.name={SIDECAR}"
    return [
        _field("POD_IP", "status.podIP"),
        _field("POD_NAME", "metadata.name"),
        _field("POD_NAMESPACE", "metadata.namespace"),
        {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": where},
    ]


def _arguments(spec: ModelRouteSpec, settings: Settings) -> list[str]:
    arguments = ["run", "--route", f"{group.MOUNT}/route/route.json", "--route-optional"]
    arguments += ["--host", "127.0.0.1", "--port", str(group.DATA_PORT)]
    arguments += ["--admin-host", "$(POD_IP)", "--admin-port", str(group.ADMIN_PORT)]
    arguments += ["--log-format", settings.sidecar.log_format]
    arguments += ["--log-level", str(spec.sidecar.log_level or settings.sidecar.log_level)]
    if spec.interception.mode is Mode.TRANSPARENT:
        for host in spec.interception.hosts:
            arguments += ["--intercept-host", host]
        arguments += ["--intercept-ca", f"{group.MOUNT}/interception"]
        arguments += ["--trust-bundle", f"{volumes.TRUST_FOLDER}/bundle.pem"]
    return arguments


def _field(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    where = {"path": path, "port": group.ADMIN_PORT, "scheme": "HTTP"}
    return {"httpGet": where, "periodSeconds": period, "timeoutSeconds": 3, "failureThreshold": failures}


def _resources(base: Resources, annotations: Mapping[str, str]) -> dict[str, dict[str, str]]:
    requests, limits = dict(base.requests), dict(base.limits)
    memory = _quantity(annotations, group.MEMORY_ANNOTATION)
    if memory is not None:
        requests["memory"] = limits["memory"] = memory
    cpu = _quantity(annotations, group.CPU_ANNOTATION)
    if cpu is not None:
        requests["cpu"] = cpu
        # The API server refuses a pod whose request is above its limit.
        if "cpu" in limits and _amount(limits["cpu"]) < _amount(cpu):
            limits["cpu"] = cpu
    return {name: values for name, values in (("requests", requests), ("limits", limits)) if values}


def _quantity(annotations: Mapping[str, str], name: str) -> str | None:
    value = annotations.get(name)
    if value is not None and (not _QUANTITY.fullmatch(value) or _amount(value) == 0):
        raise Skip(
            SkipReason.INVALID_ANNOTATION, f"{name}: {value!r} is not a quantity above zero, such as 256Mi or 100m"
        )
    return value


def _amount(quantity: str) -> Decimal:
    parts = _QUANTITY.fullmatch(quantity)
    if parts is None:
        raise ValueError(f"{quantity!r} is not a quantity")
    return Decimal(parts[1]) * _FACTORS[parts[2] or ""]
