"""A cluster that is there already, named by KUBECONFIG: it's used, and neither started nor stopped."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.kubectl import Kubectl
from e2e.images.build import Built
from e2e.machine import Unavailable

LOADER = "CACHEDISTILL_LOAD_IMAGE"
"""A command that brings an image to the cluster's nodes, where {archive} and {image} stand for what is brought:
`kind load image-archive {archive}`, or `skopeo copy docker-archive:{archive} docker://{image}` for a node that knows
a registry by the name cachedistill.test."""


@dataclass(frozen=True, slots=True)
class ExistingCluster:
    """Somebody else's cluster."""

    kubeconfig: Path

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as whoever the file names."""
        return Kubectl(self.kubeconfig)

    def bring(self, image: Built) -> None:
        """Make an image known to the nodes. Raises Unavailable when nobody said how."""
        loader = os.environ.get(LOADER)
        if loader is None:
            raise Unavailable(
                f"KUBECONFIG is set: say in {LOADER} how images reach that cluster's nodes, for instance "
                "'kind load image-archive {archive}'."
            )
        command = loader.format(archive=image.archive, image=image.name)
        subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)
