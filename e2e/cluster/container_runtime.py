"""containerd: runs the pods' containers, out of images that are brought to it as archives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import network
from e2e.cluster.enclosure import Enclosure
from e2e.cluster.process import Processes, until
from e2e.images.base import REGISTRY
from e2e.images.build import Built, kept
from e2e.machine import command

_CONFIGURATION = """\
version = 2
root = "{images}"
state = "/run/containerd"
[grpc]
  address = "{socket}"
[ttrpc]
  address = "{socket}.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  # As containerd 2 has it: port 443 for everybody, within the pod.
  enable_unprivileged_ports = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/network"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{runc}"
"""
_NAMESPACE = "k8s.io"


@dataclass(frozen=True, slots=True)
class ContainerRuntime:
    """containerd inside an enclosure."""

    enclosure: Enclosure
    folder: Path
    images: Path
    """What containerd keeps of images: a later cluster finds it again, and imports only what changed."""
    pause: Built

    @property
    def socket(self) -> Path:
        """Where it listens, inside."""
        return Path("/run/containerd.sock")

    def start(self, processes: Processes) -> None:
        """Start it, and wait until it answers."""
        command("/usr/lib/cni/bridge")
        self.folder.mkdir()
        network.write_pod_network(self.folder / "network")
        content = _CONFIGURATION.format(
            folder=self.folder,
            images=self.images,
            socket=self.socket,
            runc=command("runc"),
            pause=self.pause.name,
        )
        (self.folder / "config.toml").write_text(content)
        processes.start("containerd", [command("containerd"), "--config", self.folder / "config.toml"])
        until("containerd", lambda: bool(self._ctr("version")), explain=lambda: processes.tail("containerd"))

        # Now no pod runs that could miss one of an earlier build.
        if outdated := self._known() - kept():
            self._ctr("images", "rm", *outdated)
        self.bring(self.pause)

    def bring(self, image: Built) -> None:
        """Import an image unless it's there."""
        if image.name not in self._known():
            self._ctr("images", "import", str(image.archive))

    def _known(self) -> set[str]:
        return {name for name in self._ctr("images", "ls", "-q").split() if name.startswith(f"{REGISTRY}/")}

    def _ctr(self, *arguments: str) -> str:
        return self.enclosure.run(command("ctr"), "-a", self.socket, "-n", _NAMESPACE, *arguments)
