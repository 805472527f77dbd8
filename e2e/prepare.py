"""`python -m e2e.prepare`: all that the tests in a cluster take and that lasts: packages, binaries and images.

It says what it does, which pytest wouldn't show. Where a cluster can't be had it says why, and the tests are skipped.
"""

from __future__ import annotations

import os
import sys

from e2e.binaries import tool
from e2e.binaries.catalogue import TOOLS
from e2e.images.build import built
from e2e.images.buildah import ImageError
from e2e.images.catalogue import IMAGES
from e2e.machine import Unavailable, command, need_root

_COMMANDS = ("etcd", "containerd", "runc", "/usr/lib/cni/bridge", "iptables", "buildah", "mmdebstrap")


def main() -> None:
    try:
        command("etcd")
        for name in TOOLS:
            tool(name)
        if not os.environ.get("KUBECONFIG"):
            need_root("A cluster of one's own")
            for name in _COMMANDS:
                command(name)
        for name in IMAGES:
            built(name)
    except Unavailable as why:
        print(f"== no tests in a cluster: {why}")
    except ImageError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
