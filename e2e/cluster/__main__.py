"""`python -m e2e.cluster up | down | status`: the cluster of this machine, for people."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from e2e.cluster.cluster import Cluster
from e2e.cluster.process import Process
from e2e.images.build import built
from e2e.images.catalogue import IMAGES
from e2e.machine import Unavailable


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m e2e.cluster", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "status"))
    action = parser.parse_args().action
    cluster = Cluster.here()
    try:
        {"up": _up, "down": _down, "status": _status}[action](cluster)
    except Unavailable as why:
        sys.exit(str(why))


def _up(cluster: Cluster) -> None:
    started = time.monotonic()
    images = [built(name) for name in IMAGES]
    cluster.up()
    for image in images:
        cluster.bring(image)
        print(f"   {image.name}")
    print(f"== the cluster is up, after {time.monotonic() - started:.0f} s\nexport KUBECONFIG={cluster.kubeconfig}")


def _down(cluster: Cluster) -> None:
    cluster.down()
    print("== the cluster is down")


def _status(cluster: Cluster) -> None:
    for name, process in cluster.parts().items():
        print(f"{name:24} {'down' if process is None else _usage(process)}")
    sys.exit(0 if cluster.runs else 1)


def _usage(process: Process) -> str:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return f"pid {process.pid}, {kilobytes // 1024} MB, {seconds:.1f} s of CPU"


if __name__ == "__main__":
    main()
