"""What this machine must have: commands, their Debian packages, and the folder where everything built is kept."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from cachedistill_sidecar.local.models import cache_home

_PACKAGES = {
    "etcd": "etcd-server",
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "ctr": "containerd",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
}
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


class Unavailable(RuntimeError):
    """Something can't be had on this machine; the message says what, and what would help."""


def home() -> Path:
    """Where binaries, images and running clusters live: a folder of the product's cache folder."""
    return cache_home() / "e2e"


def is_root() -> bool:
    """Whether network namespaces, mounts and Debian packages are possible."""
    return os.geteuid() == 0


def need_root(what: str) -> None:
    """Raises Unavailable for anybody but root."""
    if not is_root():
        raise Unavailable(f"{what} takes root: run it as root, or set KUBECONFIG to a cluster that exists.")


def command(name: str) -> str:
    """The path of a command, whose Debian package is installed when root finds it missing. Raises Unavailable."""
    if (found := shutil.which(name, path=_PATH)) is None:
        _install(name)
        found = shutil.which(name, path=_PATH)
    if found is None:
        raise Unavailable(f"'{name}' is not there, although its package {_PACKAGES[name]} is installed.")
    return found


def _install(name: str) -> None:
    package = _PACKAGES[name]
    if not is_root() or shutil.which("apt-get") is None:
        raise Unavailable(f"'{name}' is not there. On Debian, as root: apt-get install {package}")
    print(f"== apt-get install {package}", flush=True)
    # Debian starts etcd and containerd as services on installation; nobody asked for that.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        done = subprocess.run(
            ["apt-get", "-qq", *arguments], env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise Unavailable(f"apt-get install {package} failed: {(done.stderr or done.stdout).strip()[-400:]}")
