"""Which of a namespace's ModelRoutes takes a pod."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from cachedistill_operator.api.base import LabelSelector
from cachedistill_operator.api.selector import matches


def choose(pod: Mapping[str, Any], routes: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """The ModelRoute of a pod, of those in its namespace: one that takes it, the oldest, then the first by name.

    A route that is being deleted takes no more pods.
    """
    labels = pod["metadata"].get("labels") or {}
    able = [route for route in routes if "deletionTimestamp" not in route["metadata"] and _takes(route, labels)]
    return min(able, key=lambda each: (each["metadata"]["creationTimestamp"], each["metadata"]["name"]), default=None)


def _takes(route: dict[str, Any], labels: Mapping[str, str]) -> bool:
    try:
        return matches(LabelSelector.model_validate(route["spec"]["selector"]), labels)
    except (KeyError, ValidationError):
        # Not what the API server lets through; one such route must not keep the others from their pods.
        return False
