"""What tells whether a pod was injected as it would be now."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from cachedistill_operator.api.model_route import ModelRouteSpec
from cachedistill_operator.inject.addition import add
from cachedistill_operator.settings import Settings


def digest(route: dict[str, Any], settings: Settings) -> str:
    """16 hex digits over all that a route's pods get, whatever pod it is; the same in webhook and controller.

    It is taken of a bare pod with the sidecar, so that nothing that is injected can be missing in it, and of the
    interception CA: the sidecar takes that up at its start. Raises ValidationError when the route's spec can't be read.
    """
    pod: dict[str, Any] = {"metadata": {}, "spec": {"containers": [{"name": "app"}]}}
    add(pod, route, ModelRouteSpec.model_validate(route["spec"]), settings)
    authority = (route.get("status") or {}).get("interceptionCa")
    return hashlib.sha256(json.dumps([pod, authority], sort_keys=True).encode()).hexdigest()[:16]
