"""The cluster's network: one link to the machine, a bridge for pods, and no way out to anywhere else."""

from __future__ import annotations

import json
from pathlib import Path

from e2e.cluster.control_plane import PODS, SERVICES
from e2e.cluster.enclosure import Enclosure, run
from e2e.machine import command

MACHINE = "10.251.0.1"
NODE = "10.251.0.2"
_OUTER = "cachedistill0"
_INNER = "eth0"
_NODE_PODS = "10.244.0.0/24"


def connect(enclosure: Enclosure) -> None:
    """Link the machine to the node, with routes to Services and pods. All of it goes with the enclosure."""
    ip = command("ip")
    first = enclosure.first
    assert first is not None, "the enclosure isn't open"
    for line in (
        f"link add {_OUTER} type veth peer name {_INNER} netns {first.pid}",
        f"address add {MACHINE}/24 dev {_OUTER}",
        f"link set {_OUTER} up",
    ):
        run([ip, *line.split()])
    for line in (
        "link set lo up",
        f"address add {NODE}/24 dev {_INNER}",
        f"link set {_INNER} up",
        # Without a route, packets to a Service would never reach the rules that send them on to a pod.
        "link add services type bridge",
        "link set services up",
        f"route add {SERVICES} dev services src {NODE}",
    ):
        enclosure.run(ip, *line.split())
    for network in (SERVICES, PODS):
        run([ip, "route", "add", network, "via", NODE])
    for name, value in (("ip_forward", 1), ("conf/all/rp_filter", 0)):
        enclosure.run("sh", "-c", f"echo {value} > /proc/sys/net/ipv4/{name}")


def write_pod_network(folder: Path) -> None:
    """The container network's configuration (CNI 1.0.0), for containerd."""
    folder.mkdir()
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": _NODE_PODS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "pods", "isGateway": True, "ipMasq": False, "hairpinMode": True}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    content = {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge | {"ipam": addresses}, ports]}
    (folder / "10-pods.conflist").write_text(json.dumps(content, indent=1))
