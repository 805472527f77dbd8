"""The managed Redis' StatefulSet: one pod, restricted, configured by its arguments alone.

Started by arguments without a command: the entry point of the official image then adds its modules (the query engine).
A change of an argument is a change of the pod template, and so a rolling restart; of the mounted files it is one
through their digest in an annotation.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from cachedistill_operator.api.base import Resources
from cachedistill_operator.api.group import GROUP, INJECT_LABEL, redis_of
from cachedistill_operator.api.semantic_cache import DeletionPolicy, ManagedRedis
from cachedistill_operator.render.cache import REDIS, Cache, Manifest
from cachedistill_operator.render.redis_quantity import to_bytes
from cachedistill_operator.render.redis_storage import VOLUME, Claim
from cachedistill_operator.render.redis_users import ACL_KEY
from cachedistill_operator.settings import Settings

PORT = 6379
FILES_ANNOTATION = f"{GROUP}/files"
_FOLDER = "/etc/redis"
_USER = 999  # The official image's own; any other would do, too.
_DEFAULT = Resources(requests={"cpu": "100m", "memory": "256Mi"})


def stateful_set(
    cache: Cache, managed: ManagedRedis, claim: Claim | None, files: dict[str, str], settings: Settings
) -> Manifest:
    """`files` are those of the Secret that Redis reads: users.acl and, with TLS, tls.crt and tls.key."""
    name = redis_of(cache.key.name)
    labels = cache.labels(REDIS)
    kept = cache.spec.deletion_policy is DeletionPolicy.RETAIN
    spec: dict[str, Any] = {
        "serviceName": name,
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {
                "labels": {**labels, INJECT_LABEL: "disabled"},
                "annotations": {FILES_ANNOTATION: _digest(files)},
            },
            "spec": _pod(name, cache, managed, claim, sorted(files), settings),
        },
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain" if kept else "Delete", "whenScaled": "Retain"},
    }
    if claim is not None:
        spec["volumeClaimTemplates"] = [_volume_claim(cache, claim)]
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": cache.metadata(name, REDIS), "spec": spec}


def arguments(cache: Cache, managed: ManagedRedis, *, persistent: bool) -> list[str]:
    """redis-server's arguments."""
    if managed.tls:
        listen = {"--port": "0", "--tls-port": str(PORT), "--tls-auth-clients": "no"}
        listen |= {"--tls-cert-file": f"{_FOLDER}/tls.crt", "--tls-key-file": f"{_FOLDER}/tls.key"}
    else:
        listen = {"--port": str(PORT)}
    settings = {
        "--dir": "/data",
        "--aclfile": f"{_FOLDER}/{ACL_KEY}",
        # It would refuse other hosts as long as no password is set; here each user has one.
        "--protected-mode": "no",
        # The append-only file alone: what was written up to a second before a crash is there after it.
        "--save": "",
        "--appendonly": "yes" if persistent else "no",
        # The ledger and the registry of indexes have no time to live: they must not be evicted, entries may.
        "--maxmemory-policy": "volatile-lfu",
    }
    limit = _memory(cache, managed)
    return ["redis-server", *_words(listen | settings | ({"--maxmemory": str(limit)} if limit else {}))]


def _words(options: dict[str, str]) -> list[str]:
    return [word for option in options.items() for word in option]


def _memory(cache: Cache, managed: ManagedRedis) -> int | None:
    """Redis' own limit in bytes: what the capacity says, else three quarters of what would have it killed."""
    if cache.spec.capacity is not None:
        return to_bytes(cache.spec.capacity.max_bytes)
    limit = managed.resources.limits.get("memory") if managed.resources is not None else None
    return to_bytes(limit) * 3 // 4 if limit is not None else None


def _pod(
    name: str, cache: Cache, managed: ManagedRedis, claim: Claim | None, files: list[str], settings: Settings
) -> dict[str, Any]:
    secret = {"secretName": name, "defaultMode": 0o440, "items": [{"key": file, "path": file} for file in files]}
    volumes: list[dict[str, Any]] = [{"name": "files", "secret": secret}, {"name": "tmp", "emptyDir": {}}]
    if claim is None:
        volumes.append({"name": VOLUME, "emptyDir": {}})
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 60,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(cache, managed, settings, persistent=claim is not None)],
        "volumes": volumes,
    }
    if settings.redis.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": each} for each in settings.redis.image_pull_secrets]
    return pod


def _container(cache: Cache, managed: ManagedRedis, settings: Settings, *, persistent: bool) -> dict[str, Any]:
    return {
        "name": "redis",
        "image": managed.image or settings.redis.image,
        "imagePullPolicy": settings.redis.image_pull_policy,
        "args": arguments(cache, managed, persistent=persistent),
        "ports": [{"name": "redis", "containerPort": PORT, "protocol": "TCP"}],
        "resources": (managed.resources or _DEFAULT).model_dump(exclude_defaults=True),
        # By TCP: an exec costs a process each time, and not every image has redis-cli. A Redis that is still loading
        # listens already; sidecars and the controller can tell.
        "readinessProbe": {"tcpSocket": {"port": "redis"}, "periodSeconds": 5},
        "livenessProbe": {"tcpSocket": {"port": "redis"}, "periodSeconds": 20, "failureThreshold": 6},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": VOLUME, "mountPath": "/data"},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "files", "mountPath": _FOLDER, "readOnly": True},
        ],
    }


def _volume_claim(cache: Cache, claim: Claim) -> dict[str, Any]:
    spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": claim.size}}}
    if claim.storage_class is not None:
        spec["storageClassName"] = claim.storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": VOLUME, "labels": cache.labels(REDIS)},
        "spec": spec,
    }


def _digest(files: dict[str, str]) -> str:
    return sha256("\0".join(f"{name}\0{text}" for name, text in sorted(files.items())).encode()).hexdigest()[:16]
