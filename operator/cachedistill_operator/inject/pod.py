"""A pod and its ModelRoute in, the pod with a sidecar out: nothing else is known, asked or changed here."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cachedistill_operator.api import group
from cachedistill_operator.api.model_route import Mode, ModelRouteSpec
from cachedistill_operator.inject import volumes
from cachedistill_operator.inject.addition import add
from cachedistill_operator.inject.decision import check_pod, check_request, is_injected
from cachedistill_operator.inject.digest import digest
from cachedistill_operator.inject.skip import Skip, SkipReason
from cachedistill_operator.settings import Settings


@dataclass(frozen=True, slots=True)
class Injection:
    """What became of a pod: the changed one, or why there is none; and what its owner should know."""

    pod: dict[str, Any] | None = None
    skip: SkipReason | None = None
    message: str = ""
    warnings: tuple[str, ...] = ()


def inject(
    pod: dict[str, Any], route: dict[str, Any] | None, namespace_labels: Mapping[str, str], settings: Settings
) -> Injection:
    """Give a pod the sidecar of its route (see `choose`); the pod that came in is not touched.

    A pod that carries the sidecar already is completed: containers that others have added since get their part.
    """
    try:
        check_request(pod, namespace_labels)
        if route is None:
            raise Skip(SkipReason.NO_ROUTE, f"no ModelRoute here takes a pod with {_labels(pod)}")
        spec, name = _read(route), route["metadata"]["name"]
        check_pod(pod, ports=_ports(spec), volumes=volumes.NAMES)
        made = digest(route, settings)
        if is_injected(pod) and pod["metadata"]["annotations"][group.INJECTION_ANNOTATION] != made:
            # A copy of a pod from before: its parts fit together, and would not with parts of now.
            return Injection(pod, message="the pod has a sidecar, injected otherwise than now")
        injected = copy.deepcopy(pod)
        warnings = add(injected, route, spec, settings)
    except Skip as skip:
        return Injection(skip=skip.reason, message=skip.message)
    _mark(injected, route, made)
    return Injection(injected, message=f"sidecar of ModelRoute {name}", warnings=warnings)


def _mark(pod: dict[str, Any], route: dict[str, Any], made: str) -> None:
    metadata = pod["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), group.ROUTE_LABEL: route["metadata"]["name"]}
    marks = {group.INJECTION_ANNOTATION: made}
    document = ((route.get("status") or {}).get("routeDocument") or {}).get("digest")
    if document is not None:
        # Else the controller would have to write it to each new pod.
        marks[group.DOCUMENT_ANNOTATION] = document
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **marks}


def _read(route: dict[str, Any]) -> ModelRouteSpec:
    try:
        return ModelRouteSpec.model_validate(route["spec"])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        name = route["metadata"]["name"]
        raise Skip(SkipReason.INVALID_ROUTE, f"ModelRoute {name}: spec.{where}: {first['msg']}") from error


def _ports(spec: ModelRouteSpec) -> frozenset[int]:
    ports = {group.DATA_PORT, group.ADMIN_PORT}
    return frozenset(ports | {group.TLS_PORT} if spec.interception.mode is Mode.TRANSPARENT else ports)


def _labels(pod: dict[str, Any]) -> str:
    labels = pod["metadata"].get("labels") or {}
    own = {name: value for name, value in labels.items() if name != group.INJECT_LABEL}
    return "the labels " + ", ".join(f"{name}={value}" for name, value in sorted(own.items())) if own else "no labels"
