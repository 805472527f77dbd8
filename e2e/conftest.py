"""What the tests in a real cluster share: the cluster, its command lines, its images, and a namespace each.

KUBECONFIG names a cluster to use. Else the one that `make cluster-up` started is used, and left as it is; else one is
started, and taken down at the end unless CACHEDISTILL_KEEP_CLUSTER=1.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e import machine
from e2e.cluster.cluster import Cluster
from e2e.cluster.existing import ExistingCluster
from e2e.cluster.helm import Helm
from e2e.cluster.kubectl import Kubectl
from e2e.images.build import built
from e2e.machine import Unavailable

AnyCluster = Cluster | ExistingCluster


@dataclass(frozen=True, slots=True)
class Images:
    """`images["sidecar"]`: built when an input changed, brought to the cluster, and its name."""

    cluster: AnyCluster

    def __getitem__(self, name: str) -> str:
        image = built(name)
        self.cluster.bring(image)
        return image.name


@pytest.fixture(scope="session")
def cluster() -> Iterator[AnyCluster]:
    """A Ready cluster."""
    if given := os.environ.get("KUBECONFIG"):
        yield ExistingCluster(Path(given))
        return
    keep = os.environ.get("CACHEDISTILL_KEEP_CLUSTER") == "1"
    own = Cluster.here(tied=not keep)
    try:
        machine.need_root("A cluster of one's own")
        found = own.runs
        own.up()
    except Unavailable as why:
        pytest.skip(str(why))
    yield own
    if not (found or keep):
        own.down()


@pytest.fixture(scope="session")
def kubectl(cluster: AnyCluster) -> Kubectl:
    """kubectl as admin."""
    return cluster.kubectl


@pytest.fixture(scope="session")
def helm(cluster: AnyCluster) -> Helm:
    """Helm as admin."""
    return Helm(cluster.kubeconfig)


@pytest.fixture(scope="session")
def images(cluster: AnyCluster) -> Images:
    """The images of e2e/images by name."""
    return Images(cluster)


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace of this test's own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
