"""A SemanticCache and a ModelRoute as short as they can be, and a way to say how a test's own differ."""

from __future__ import annotations

import copy
import json
from typing import Any

from cachedistill_operator.api.group import API_VERSION

Manifest = dict[str, Any]


def semantic_cache(name: str = "support", **spec: Any) -> Manifest:
    """One with a managed Redis; keywords are fields of the spec."""
    return _resource("SemanticCache", name, {"redis": {"managed": {}}} | spec)


def model_route(name: str = "chat", **spec: Any) -> Manifest:
    """One rule, one fallback, for pods with the label app=chat; keywords are fields of the spec."""
    fallback = {"name": "cloud", "endpoint": {"url": "https://api.openai.com", "dialect": "OpenAI"}}
    rule = {"name": "all", "cache": {"ref": {"name": "support"}}, "fallbacks": ["cloud"]}
    least = {"selector": {"matchLabels": {"app": "chat"}}, "rules": [rule], "fallbacks": [fallback]}
    return _resource("ModelRoute", name, least | spec)


def changed(resource: Manifest, path: str, value: Any) -> Manifest:
    """A copy with another value at a path such as `spec.rules.0.name`."""
    copied = copy.deepcopy(resource)
    *parents, last = path.split(".")
    place: Any = copied
    for step in parents:
        place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
    if isinstance(place, list) and int(last) == len(place):
        place.append(value)
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return copied


def text(*resources: Manifest) -> str:
    """For kubectl's standard input. Not as a List: kubectl would check that itself, in words of its own."""
    return "\n---\n".join(json.dumps(resource) for resource in resources)


def _resource(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
