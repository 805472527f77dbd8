"""The Job that builds a cache's vector index under one embedding model, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from cachedistill_operator.api.group import INJECT_LABEL, MOUNT, cache_name, cache_secret
from cachedistill_operator.render.cache import INDEX, Cache, Manifest
from cachedistill_operator.render.redis_clients import CA_KEY, ENCRYPTION_KEY, SEAL_KEY, URL_KEY
from cachedistill_operator.settings import Settings

_FOLDER = f"{MOUNT}/redis"
_KEEP_SECONDS = 3600
_RETRIES = 3


@dataclass(frozen=True, slots=True)
class JobState:
    """How a Job stands; `ended` is when it did, and `failure` why without success."""

    name: str
    ended: datetime | None = None
    failure: str | None = None


def name_of(cache: Cache, model: str) -> str:
    """The Job's name: one a model."""
    return f"{cache.key.name}-index-{sha256(model.encode()).hexdigest()[:8]}"


def index_job(cache: Cache, model: str, *, with_ca: bool, settings: Settings) -> Manifest:
    """The Job. It does all of its work again when it is run again, so a failed one is simply made anew."""
    labels = cache.labels(INDEX)
    arguments = ["index", "build", "--cache", cache_name(cache.key), "--model", model]
    arguments += ["--redis-url-file", f"{_FOLDER}/{URL_KEY}"]
    arguments += ["--seal-file", f"{_FOLDER}/{SEAL_KEY}"]
    if cache.spec.encryption is not None:
        arguments += ["--encryption-file", f"{_FOLDER}/{ENCRYPTION_KEY}"]
    if with_ca:
        arguments += ["--redis-ca-file", f"{_FOLDER}/{CA_KEY}"]
    secret = {"secretName": cache_secret(cache.key, cache.key.namespace), "defaultMode": 0o440}
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(arguments, settings)],
        "volumes": [{"name": "redis", "secret": secret}, {"name": "tmp", "emptyDir": {}}],
    }
    if settings.sidecar.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": each} for each in settings.sidecar.image_pull_secrets]
    spec = {
        "backoffLimit": _RETRIES,
        "ttlSecondsAfterFinished": _KEEP_SECONDS,
        "template": {"metadata": {"labels": {**labels, INJECT_LABEL: "disabled"}}, "spec": pod},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": cache.metadata(name_of(cache, model), INDEX),
        "spec": spec,
    }


def state(job: Mapping[str, Any]) -> JobState:
    """How a live Job stands."""
    name = job["metadata"]["name"]
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            ended = datetime.fromisoformat(condition["lastTransitionTime"])
            failed = condition["type"] == "Failed"
            told = condition.get("message") or condition.get("reason") or "no message"
            return JobState(name, ended, told if failed else None)
    return JobState(name)


def _container(arguments: list[str], settings: Settings) -> dict[str, Any]:
    return {
        "name": "index",
        "image": settings.sidecar.image,
        "imagePullPolicy": settings.sidecar.image_pull_policy,
        "args": arguments,
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        # Its last words are told in the cache's condition.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "redis", "mountPath": _FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
