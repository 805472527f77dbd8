"""One cluster, from nothing to a Ready node and back to nothing."""

from __future__ import annotations

import fcntl
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e import machine
from e2e.cluster import kubelet, network, pki, service_proxy, volumes
from e2e.cluster.container_runtime import ContainerRuntime
from e2e.cluster.control_plane import ControlPlane, Endpoints
from e2e.cluster.enclosure import Enclosure
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.process import Process
from e2e.images.build import Built, built

_REPOSITORY = Path(__file__).parents[2]
PARTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "containerd",
    "kubelet",
    "kube-proxy",
    "dns",
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster of this machine: there's one at most. Raises Unavailable where it can't be had."""

    folder: Path
    tied: bool = False
    """Whether it ends with this process, however that ends."""

    @classmethod
    def here(cls, *, tied: bool = False) -> Cluster:
        """The one in the cache folder."""
        return cls(machine.home() / "cluster", tied)

    @property
    def kubeconfig(self) -> Path:
        """Of the cluster's admin."""
        return self._certificates / f"{pki.ADMIN}.kubeconfig"

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as admin."""
        return Kubectl(self.kubeconfig)

    @property
    def runs(self) -> bool:
        """Whether it's up: all of it."""
        return (self.folder / "up").exists() and self._enclosure.first is not None and all(self.parts().values())

    def parts(self) -> dict[str, Process | None]:
        """Each part's process, as it's numbered outside; None for what doesn't run."""
        if self._enclosure.first is None:
            return dict.fromkeys(PARTS)
        return {name: self._enclosure.processes().find(name) for name in PARTS}

    def up(self) -> None:
        """Bring it up; does nothing when it runs. What a killed run left is taken down first."""
        machine.need_root("A cluster of one's own")
        with _alone(self.folder):
            if self.runs:
                return
            self._clear()
            self.folder.mkdir(parents=True)
            try:
                self._start()
            except BaseException:
                self._enclosure.close()
                raise
            (self.folder / "up").touch()

    def down(self) -> None:
        """Take it down, without a trace."""
        with _alone(self.folder):
            self._clear()

    def restart_api_server(self) -> None:
        """Kill the API server, and start it again: what everybody must survive."""
        self._enclosure.processes().stop("kube-apiserver", signal.SIGKILL)
        self._plane.start_api_server()

    def bring(self, image: Built) -> None:
        """Make an image known to the node."""
        self._runtime.bring(image)

    def _start(self) -> None:
        self._enclosure.open()
        network.connect(self._enclosure)
        processes = self._enclosure.processes()
        pki.write(self._certificates, self._endpoints.url, network.NODE)
        self._plane.start_storage_and_api()
        self._plane.start_controllers()
        self._plane.start_scheduler()
        self._runtime.start(processes)
        kubelet.Kubelet(self.folder / "kubelet", self._plane, self._runtime.socket).start(processes)
        service_proxy.start(processes, self._enclosure, self._certificates)
        dns: list[str | Path] = [sys.executable, "-m", "e2e.cluster.dns", network.NODE, self.kubeconfig]
        processes.start("dns", ["env", f"PYTHONPATH={_REPOSITORY}", *dns])
        self.kubectl.apply(*volumes.make(self.folder / "volumes"))

    def _clear(self) -> None:
        self._enclosure.close()
        kubelet.remove_cgroups()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _certificates(self) -> Path:
        return self.folder / "pki"

    @property
    def _endpoints(self) -> Endpoints:
        return Endpoints(network.NODE, 6443, 2379, 2380)

    @property
    def _enclosure(self) -> Enclosure:
        return Enclosure(self.folder, self.tied)

    @property
    def _plane(self) -> ControlPlane:
        return ControlPlane(self._enclosure.processes(), self._endpoints, self._certificates, Path("/run/etcd"))

    @property
    def _runtime(self) -> ContainerRuntime:
        kept = self.folder.with_name("containerd")
        return ContainerRuntime(self._enclosure, self.folder / "containerd", kept, built("pause"))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two that start or stop the same cluster wait for each other."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
