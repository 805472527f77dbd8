"""The calls to the Kubernetes API that the operator makes, over kubernetes.aio's transport.

No discovery: the kinds are few and known, and what isn't in the table can't be touched by mistake.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any, Self, TypeAlias
from urllib.parse import quote, urlencode
from urllib.request import getproxies

import orjson
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from cachedistill_operator.api.group import API_VERSION, FIELD_MANAGER

log = logging.getLogger(__name__)

_PLURALS = {
    ("v1", "ConfigMap"): "configmaps",
    ("v1", "Namespace"): "namespaces",
    ("v1", "PersistentVolumeClaim"): "persistentvolumeclaims",
    ("v1", "Pod"): "pods",
    ("v1", "Secret"): "secrets",
    ("v1", "Service"): "services",
    ("v1", "ServiceAccount"): "serviceaccounts",
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"): "mutatingwebhookconfigurations",
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): "customresourcedefinitions",
    ("apps/v1", "DaemonSet"): "daemonsets",
    ("apps/v1", "Deployment"): "deployments",
    ("apps/v1", "ReplicaSet"): "replicasets",
    ("apps/v1", "StatefulSet"): "statefulsets",
    ("batch/v1", "Job"): "jobs",
    ("coordination.k8s.io/v1", "Lease"): "leases",
    ("events.k8s.io/v1", "Event"): "events",
    ("networking.k8s.io/v1", "NetworkPolicy"): "networkpolicies",
    ("policy/v1", "PodDisruptionBudget"): "poddisruptionbudgets",
    ("rbac.authorization.k8s.io/v1", "Role"): "roles",
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): "rolebindings",
    ("storage.k8s.io/v1", "StorageClass"): "storageclasses",
    (API_VERSION, "ModelRoute"): "modelroutes",
    (API_VERSION, "SemanticCache"): "semanticcaches",
}
# Namespaces are also a part of other kinds' paths.
_NAMES = frozenset(_PLURALS.values()) - {"namespaces"}
_APPLY, _MERGE, _JSON = (f"application/{kind}" for kind in ("apply-patch+yaml", "merge-patch+json", "json-patch+json"))
_PAGE = 500
_TIMEOUT_SECONDS = 30


Patch: TypeAlias = dict[str, Any] | list[Any]
"""A JSON merge patch or a JSON patch."""


class ApiError(Exception):
    """The API server refused or failed: its HTTP status, its reason (such as Forbidden) and its sentence."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{reason} ({status}): {message}")
        self.status = status
        self.reason = reason


class Client:
    """One connection pool to the API server. Objects are plain dicts, as in manifests."""

    def __init__(self, api: ApiClient, component: str) -> None:
        self._api = api
        self._component = component
        self._instance = os.environ.get("POD_NAME", socket.gethostname())
        self.calls: Counter[tuple[str, str]] = Counter()
        """How many were made, by method and plural of the kind."""
        api.user_agent = f"cachedistill-{component}"

    @classmethod
    async def connect(cls, component: str, kubeconfig: str | None = None) -> Self:
        """As the pod's service account, else as the kubeconfig says. Raises ConfigException without either."""
        settings = Configuration()
        # Said here: the library reads the variable once, when it's imported.
        kubeconfig = kubeconfig or os.environ.get("KUBECONFIG")
        if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=settings)
        else:
            await config.load_kube_config(config_file=kubeconfig, client_configuration=settings)
        # Else the transport looks for proxies in the environment anew at each call, in a thread: 0.5 ms.
        settings.client_session_kwargs = {"trust_env": bool(getproxies())}
        return cls(ApiClient(settings), component)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """One object; None when it isn't there. Raises ApiError."""
        return await self._or_none("GET", _path(api_version, kind, namespace, name))

    async def list(
        self, api_version: str, kind: str, namespace: str | None = None, labels: str | None = None
    ) -> list[dict[str, Any]]:
        """All objects of a kind, in pages; `labels` is a selector in Kubernetes' string form. Raises ApiError."""
        found: list[dict[str, Any]] = []
        query = {"limit": str(_PAGE)} | ({"labelSelector": labels} if labels else {})
        while True:
            page = await self._call("GET", _path(api_version, kind, namespace), query)
            # Items of a list come without these two.
            found += ({"apiVersion": api_version, "kind": kind, **item} for item in page["items"])
            following = page["metadata"].get("continue")
            if not following:
                return found
            query["continue"] = following

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Make an object. Raises ApiError, with status 409 when it's there."""
        meta = manifest["metadata"]
        path = _path(manifest["apiVersion"], manifest["kind"], meta.get("namespace"))
        return await self._call("POST", path, {"fieldManager": FIELD_MANAGER}, manifest)

    async def apply(self, manifest: dict[str, Any], *, subresource: str | None = None) -> dict[str, Any]:
        """Server-side apply: what we had applied before and isn't in the manifest any more goes. Raises ApiError."""
        meta = manifest["metadata"]
        path = _path(manifest["apiVersion"], manifest["kind"], meta.get("namespace"), meta["name"], subresource)
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._call("PATCH", path, query, manifest, _APPLY)

    async def patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None,
        body: Patch,
        *,
        subresource: str | None = None,
    ) -> dict[str, Any] | None:
        """A JSON merge patch (dict) or JSON patch (list); None when the object isn't there. Raises ApiError."""
        path = _path(api_version, kind, namespace, name, subresource)
        content_type = _JSON if isinstance(body, list) else _MERGE
        return await self._or_none("PATCH", path, {"fieldManager": FIELD_MANAGER}, body, content_type)

    async def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> bool:
        """Delete an object, and what it owns in the background; whether it was there. Raises ApiError."""
        path = _path(api_version, kind, namespace, name)
        return await self._or_none("DELETE", path, {"propagationPolicy": "Background"}) is not None

    async def review(self, api_version: str, plural: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask for a review, such as a SelfSubjectAccessReview, which is answered and not kept. Raises ApiError."""
        return await self._call("POST", f"/apis/{api_version}/{plural}", None, body)

    async def version(self) -> dict[str, Any]:
        """The API server's version: major, minor, gitVersion. Raises ApiError."""
        return await self._call("GET", "/version")

    async def event(self, regarding: dict[str, Any], type_: str, reason: str, note: str, action: str) -> None:
        """Tell people about an object. Never raises: an Event that can't be written is only logged."""
        meta = regarding["metadata"]
        # Events about what has no namespace go to default, as the API demands.
        namespace = meta.get("namespace") or "default"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        manifest = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{meta['name'][:230]}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
            "eventTime": now,
            "reportingController": f"cachedistill.dev/{self._component}",
            "reportingInstance": self._instance[:128],
            "action": action,
            "reason": reason,
            "type": type_,
            "note": note if len(note) <= 1024 else note[:1021] + "...",
            "regarding": {
                "apiVersion": regarding["apiVersion"],
                "kind": regarding["kind"],
                "name": meta["name"],
                "namespace": meta.get("namespace"),
                "uid": meta.get("uid"),
            },
        }
        try:
            await self.create(manifest)
        except Exception as error:
            log.warning("the event %s about %s %s can't be written: %s", reason, regarding["kind"], meta["name"], error)

    async def _or_none(self, *arguments: Any) -> dict[str, Any] | None:
        try:
            return await self._call(*arguments)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def _call(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        request = await self._api.param_serialize(
            method,
            path + (f"?{urlencode(query)}" if query else ""),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        self.calls[method, _plural(path)] += 1
        response = await self._api.call_api(*request, _request_timeout=_TIMEOUT_SECONDS)
        data = await response.read()
        if 200 <= response.status < 300:
            answer: dict[str, Any] = orjson.loads(data)
            return answer
        raise _error(response.status, data)


def _path(
    api_version: str, kind: str, namespace: str | None, name: str | None = None, subresource: str | None = None
) -> str:
    parts = ["apis" if "/" in api_version else "api", api_version]
    if namespace is not None:
        parts += ["namespaces", quote(namespace, safe="")]
    parts += [_PLURALS[api_version, kind]]
    parts += [quote(part, safe="") for part in (name, subresource) if part is not None]
    return "/" + "/".join(parts)


def _plural(path: str) -> str:
    return next((part for part in path.split("/") if part in _NAMES), "other")


def _error(status: int, data: bytes) -> ApiError:
    try:
        told = orjson.loads(data)
        return ApiError(status, told.get("reason") or "Unknown", told.get("message") or "")
    except (orjson.JSONDecodeError, AttributeError):
        return ApiError(status, "Unknown", data[:300].decode("utf8", "replace"))
