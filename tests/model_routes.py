"""ModelRoutes, SemanticCaches, pods and settings for tests, as the API server would show them."""

from __future__ import annotations

from typing import Any

from cachedistill_operator.api.group import API_VERSION, INJECT_LABEL, Key
from cachedistill_operator.render.compiled_route import CompiledRoute
from cachedistill_operator.settings import Settings

Resource = dict[str, Any]

NAMESPACE = "shop"
OPENAI = {"name": "cloud", "endpoint": {"url": "https://api.openai.com", "dialect": "OpenAI"}}
SETTINGS = Settings.model_validate(
    {
        "namespace": "cachedistill-system",
        "controller_service_account": "cachedistill-controller",
        "sidecar": {"image": "example.com/cachedistill-sidecar:1"},
        "webhook": {"service": "cachedistill-webhook", "secret": "webhook-tls", "configuration": "cachedistill"},
    }
)


def cache(name: str = "support", *, namespace: str = NAMESPACE, status: Any = None, **spec: Any) -> Resource:
    """A SemanticCache with a managed Redis; keywords change its spec."""
    return {
        "apiVersion": API_VERSION,
        "kind": "SemanticCache",
        "metadata": {"name": name, "namespace": namespace, "uid": f"cache-{namespace}-{name}", "generation": 1},
        "spec": {"redis": {"managed": {}}, **spec},
        **({"status": status} if status is not None else {}),
    }


def rule(name: str = "all", *, cache: str | None = None, namespace: str | None = None, **more: Any) -> Resource:
    """A rule that asks `cloud`, with a cache when one is named."""
    ref = {"name": cache} | ({"namespace": namespace} if namespace is not None else {})
    return {"name": name, "fallbacks": ["cloud"], **({"cache": {"ref": ref}} if cache is not None else {}), **more}


def route(
    name: str = "chat",
    *,
    namespace: str = NAMESPACE,
    created: str = "2026-01-01T00:00:00Z",
    status: Any = None,
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> Resource:
    """A ModelRoute for pods with `labels` (app: chat), with one rule and OpenAI; keywords change its spec."""
    meta = {"name": name, "namespace": namespace, "uid": f"route-{name}", "generation": 1, "creationTimestamp": created}
    own = {"selector": {"matchLabels": labels or {"app": "chat"}}, "rules": [rule()], "fallbacks": [OPENAI]}
    resource = {"apiVersion": API_VERSION, "kind": "ModelRoute", "metadata": meta, "spec": own | spec}
    return resource | ({"status": status} if status is not None else {})


def compiled(
    resource: Resource, *caches: Resource, labels: dict[str, str] | None = None, **settings: Any
) -> CompiledRoute:
    """The route, compiled where these caches are; keywords change the settings."""
    known = {key(each): each for each in caches}
    return CompiledRoute.of(key(resource), resource, known, labels or {}, SETTINGS.model_copy(update=settings))


def pod(
    name: str = "chat-1",
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    owner: tuple[str, str] | None = None,
    phase: str = "Running",
    **spec: Any,
) -> Resource:
    """A pod that asks for a sidecar; `owner` is kind and name of what controls it."""
    meta: Resource = {
        "name": name,
        "namespace": NAMESPACE,
        "labels": {"app": "chat", INJECT_LABEL: "enabled"} | (labels or {}),
        "annotations": annotations or {},
    }
    if owner is not None:
        kind, owner_name = owner
        group = "batch/v1" if kind == "Job" else "apps/v1"
        meta["ownerReferences"] = [
            {"apiVersion": group, "kind": kind, "name": owner_name, "uid": "1", "controller": True}
        ]
    body = {"containers": [{"name": "app", "image": "app"}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": body, "status": {"phase": phase}}


def key(resource: Resource) -> Key:
    """Namespace and name."""
    return Key(resource["metadata"]["namespace"], resource["metadata"]["name"])
