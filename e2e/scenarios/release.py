"""The operator as a user installs it: the chart, by helm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.helm import Helm
from e2e.cluster.kubectl import Kubectl
from e2e.conftest import Images

NAMESPACE = "cachedistill-system"
NAME = "cachedistill"
CHART = Path(__file__).parents[2] / "charts" / "cachedistill"
CONTROLLER, WEBHOOK = "cachedistill-controller", "cachedistill-webhook"


@dataclass(frozen=True, slots=True)
class Release:
    """The release, and the images that it and the scenarios are made of."""

    kubectl: Kubectl
    images: Images

    def helm(self, *arguments: str) -> str:
        """Run helm. Raises HelmError."""
        return Helm(self.kubectl.kubeconfig)(f"--namespace={NAMESPACE}", *arguments)

    def install(self, *more: str, chart: Path = CHART) -> str:
        """Install or upgrade, and wait until the operator is ready."""
        values = {
            **self._image("image", "operator"),
            **self._image("sidecar.image", "sidecar"),
            **self._image("redis.image", "redis"),
            "controller.replicas": "2",
            "controller.driftSeconds": "10",
        }
        sets = [
            part
            for name, value in values.items()
            for part in ("--set-string" if ".tag" in name else "--set", f"{name}={value}")
        ]
        waiting = ("--create-namespace", "--wait", "--timeout", "240s")
        return self.helm("upgrade", "--install", NAME, str(chart), *sets, *waiting, *more)

    @property
    def own(self) -> Kubectl:
        """kubectl in the release's namespace."""
        return self.kubectl.within(NAMESPACE)

    def leader(self) -> str:
        """The pod that holds the Lease; empty when none does."""
        leases = self.own.get("leases")["items"]
        held = [each["spec"].get("holderIdentity", "") for each in leases if each["metadata"]["name"] == CONTROLLER]
        return str(held[0]).partition("_")[0] if held else ""

    def _image(self, place: str, short: str) -> dict[str, str]:
        repository, _, tag = self.images[short].rpartition(":")
        return {f"{place}.repository": repository, f"{place}.tag": tag}
