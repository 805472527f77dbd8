"""The kubelet: the node's agent, its configuration and the cgroups that its pods run in."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from e2e.binaries import tool
from e2e.cluster import network
from e2e.cluster.control_plane import ControlPlane
from e2e.cluster.pki import NODE
from e2e.cluster.process import Processes, until

_CGROUPS = Path("/sys/fs/cgroup")
_ROOT = "cachedistill-e2e"


@dataclass(frozen=True, slots=True)
class Kubelet:
    """The one node's kubelet."""

    folder: Path
    plane: ControlPlane
    runtime_socket: Path

    def start(self, processes: Processes) -> None:
        """Start it, and wait until the node is Ready."""
        self.folder.mkdir()
        make_cgroups()
        # No upstream: names outside of the cluster are unknown at once, not after a timeout.
        (self.folder / "resolv.conf").write_text(f"nameserver {network.NODE}\n")
        configuration = self.folder / "config.json"
        configuration.write_text(json.dumps(self._configuration(), indent=1))
        command: list[str | Path] = [
            tool("kubelet"),
            f"--config={configuration}",
            f"--kubeconfig={self.plane.certificates}/kubelet.kubeconfig",
            f"--root-dir={self.folder}/root",
            f"--hostname-override={NODE}",
            f"--node-ip={network.NODE}",
        ]
        processes.start("kubelet", command)

        def ready() -> bool:
            # containerd answers a moment before its CRI part does, and the kubelet ends when that says no.
            if processes.find("kubelet") is None:
                processes.start("kubelet", command)
            return self._ready()

        until("Ready node", ready, explain=lambda: processes.tail("kubelet"))

    def _ready(self) -> bool:
        node = json.loads(self.plane.get(f"/api/v1/nodes/{NODE}"))
        return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])

    def _configuration(self) -> dict[str, object]:
        pems = self.plane.certificates
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": network.NODE,
            "healthzBindAddress": "127.0.0.1",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{pems}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{pems}/kubelet-serving.crt",
            "tlsPrivateKeyFile": f"{pems}/kubelet-serving.key",
            "containerRuntimeEndpoint": f"unix://{self.runtime_socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{_ROOT}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,  # the usual -999 takes a right that a machine in a machine may lack
            "clusterDNS": [network.NODE],
            "clusterDomain": "cluster.local",
            "resolvConf": f"{self.folder}/resolv.conf",
            "podLogsDir": f"{self.folder}/logs",
            "volumePluginDir": f"{self.folder}/plugins",
            # The disk is the machine's: what others put there must not evict pods.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "syncFrequency": "10s",
            "nodeStatusUpdateFrequency": "4s",
            "maxPods": 200,
        }


def make_cgroups() -> None:
    """The cgroup under which all pods are: in each hierarchy of version 1, or in the only one of version 2."""
    for hierarchy in _hierarchies():
        (hierarchy / _ROOT).mkdir(exist_ok=True)


def remove_cgroups() -> None:
    """Remove it with all below it; their processes have ended, which the kernel may notice a moment later."""
    deadline = time.monotonic() + 5
    while (
        left := [each / _ROOT for each in _hierarchies() if (each / _ROOT).is_dir()]
    ) and time.monotonic() < deadline:
        for root in left:
            for folder, _, _ in os.walk(root, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
        time.sleep(0.02)


def _hierarchies() -> list[Path]:
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return [each for each in _CGROUPS.iterdir() if (each / "cgroup.procs").exists()]
