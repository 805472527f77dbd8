"""Ready-made volumes: folders of the node, for the claims of StatefulSets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from e2e.cluster.pki import NODE

_CLASS = "local"
_COUNT = 30


def make(folder: Path) -> list[dict[str, Any]]:
    """The folders, and the manifests of a default StorageClass and of a volume for each.

    `local`, unlike `hostPath`, hands a volume to the pod's fsGroup. Nobody cleans a volume for its next claim, hence
    so many.
    """
    manifests = [_storage_class()]
    for number in range(_COUNT):
        path = folder / f"volume-{number:02}"
        path.mkdir(parents=True)
        manifests.append(_volume(path))
    return manifests


def _storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": _CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _volume(path: Path) -> dict[str, Any]:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": path.name},
        "spec": {
            "capacity": {"storage": "20Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": _CLASS,
            "local": {"path": str(path)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }
