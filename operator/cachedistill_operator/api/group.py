"""Names that several parts of the operator share: the API group, labels, annotations, and derived object names."""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "cachedistill.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FIELD_MANAGER = "cachedistill"

INJECT_LABEL = f"{GROUP}/inject"
"""On a pod template or a namespace: enabled, disabled or required."""
ROUTE_LABEL = f"{GROUP}/route"
"""On an injected pod: the name of its ModelRoute."""
CACHE_LABEL = f"{GROUP}/cache"
"""On what belongs to a SemanticCache: its name."""
MANAGED_BY = {"app.kubernetes.io/managed-by": "cachedistill"}

CONTAINERS_ANNOTATION = f"{GROUP}/containers"
"""On a pod: the containers that are intercepted, separated by commas; absent: all."""
MEMORY_ANNOTATION = f"{GROUP}/sidecar-memory"
"""On a pod: the sidecar's memory request and limit."""
CPU_ANNOTATION = f"{GROUP}/sidecar-cpu"
"""On a pod: the sidecar's CPU request."""
INJECTION_ANNOTATION = f"{GROUP}/injection"
"""On an injected pod: the digest of what was injected."""
DOCUMENT_ANNOTATION = f"{GROUP}/route-document"
"""On an injected pod: the digest of the newest route document; a change makes the kubelet refresh the volume."""
RESTART_ANNOTATION = f"{GROUP}/restarted-for"
"""On a workload's pod template: the injection digest that it was restarted for."""
DATA_FINALIZER = f"{GROUP}/data"
"""On a SemanticCache with deletionPolicy Delete: its data must go first."""

NAMED_SECRETS_ROLE = "cachedistill-named-secrets"
"""The Role in each namespace that lets the controller read the Secrets that a resource there names, and no other."""
INTERCEPTION_CA_SECRET = "cachedistill-interception-ca"
"""The Secret in each namespace with the name-constrained CA of its Transparent routes."""

DATA_PORT = 14080
ADMIN_PORT = 14090
TLS_PORT = 443
MOUNT = "/etc/cachedistill"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A namespaced resource: what a reconcile is about, and what a reference resolves to."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def config_map_of(route: str) -> str:
    """The ConfigMap with a ModelRoute's document, under the key route.json."""
    return f"{route}-cachedistill"


def cache_name(cache: Key) -> str:
    """A cache's name in route documents and in Redis keys: one Redis may serve caches of several namespaces."""
    return f"{cache.namespace}.{cache.name}"


def cache_secret(cache: Key, namespace: str) -> str:
    """The Secret with `url` (and `ca.crt`) by which the pods of a namespace reach a cache's Redis."""
    return f"{cache.name}-cachedistill" if cache.namespace == namespace else f"{cache_name(cache)}-cachedistill"


def redis_of(cache: str) -> str:
    """The name of a managed Redis' StatefulSet, Service, PodDisruptionBudget and NetworkPolicy."""
    return f"{cache}-redis"
