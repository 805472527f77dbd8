"""One release for all scenarios, and namespaces as they ask for them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from e2e.cluster.kubectl import Kubectl
from e2e.conftest import Images
from e2e.scenarios.release import Release
from e2e.scenarios.town import NewTown, Town


@pytest.fixture(scope="session")
def release(kubectl: Kubectl, images: Images) -> Release:
    """The operator, installed by helm."""
    release = Release(kubectl, images)
    release.install()
    return release


@pytest.fixture(scope="session")
def new_town(kubectl: Kubectl) -> Iterator[NewTown]:
    """Makes namespaces under the restricted pod security standard; they go at the end."""
    made: list[str] = []

    def new(name: str) -> Town:
        full = f"{name}-{uuid.uuid4().hex[:6]}"
        kubectl("create", "namespace", full)
        kubectl("label", "namespace", full, "pod-security.kubernetes.io/enforce=restricted")
        made.append(full)
        return Town(full, kubectl.within(full))

    yield new
    for each in made:
        kubectl("delete", "namespace", each, "--wait=false")
