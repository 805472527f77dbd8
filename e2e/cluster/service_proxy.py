"""kube-proxy: makes the addresses of Services lead to pods."""

from __future__ import annotations

import json
from pathlib import Path

from e2e.binaries import tool
from e2e.cluster import network
from e2e.cluster.control_plane import PODS
from e2e.cluster.enclosure import Enclosure
from e2e.cluster.pki import NODE
from e2e.cluster.process import Processes, until
from e2e.machine import command


def start(processes: Processes, enclosure: Enclosure, certificates: Path) -> None:
    """Start it, and wait until it has written its rules."""
    command("iptables")
    configuration = enclosure.folder / "kube-proxy.json"
    content = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": f"{certificates}/proxy.kubeconfig"},
        "clusterCIDR": PODS,
        "hostnameOverride": NODE,
        "bindAddress": network.NODE,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "nodePortAddresses": ["primary"],
        # Zero: leave the connection table's limits alone, which are the whole machine's.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    configuration.write_text(json.dumps(content, indent=1))
    processes.start("kube-proxy", [tool("kube-proxy"), f"--config={configuration}"])
    chains = [*("iptables -w -t nat -S KUBE-SERVICES".split())]
    until("kube-proxy", lambda: "10.96.0.1" in enclosure.run(*chains), explain=lambda: processes.tail("kube-proxy"))
