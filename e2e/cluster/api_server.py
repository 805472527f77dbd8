"""The API server alone: real storage, validation, admission, RBAC and controllers, on free ports of 127.0.0.1.

There is no node: pods are admitted and stay Pending. Webhooks are reached by URL at 127.0.0.1, served by a test.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from e2e.cluster import pki
from e2e.cluster.control_plane import ControlPlane, Endpoints
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.process import Processes

_MEMORY = Path("/dev/shm")


class ApiServer:
    """`with ApiServer() as server`: starts in seconds, and dies with this process. Raises Unavailable."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cachedistill-api-", dir=_MEMORY if _MEMORY.is_dir() else None))
        self._endpoints = Endpoints.free()
        self._certificates = self.folder / "pki"
        self._processes = Processes(self.folder, tied=True)
        self._plane = ControlPlane(self._processes, self._endpoints, self._certificates, self.folder / "etcd")

    @property
    def url(self) -> str:
        """https://127.0.0.1:PORT"""
        return self._endpoints.url

    @property
    def kubeconfig(self) -> Path:
        """Of the cluster's admin."""
        return self._certificates / f"{pki.ADMIN}.kubeconfig"

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as admin."""
        return Kubectl(self.kubeconfig)

    def restart(self) -> None:
        """Kill the API server and start it again at the same address: what a client must survive."""
        self._processes.stop("kube-apiserver")
        self._plane.start_api_server()

    def __enter__(self) -> ApiServer:
        try:
            pki.write(self._certificates, self.url, self._endpoints.host)
            self._plane.start_storage_and_api()
            self._plane.start_controllers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.stop_all()
        shutil.rmtree(self.folder, ignore_errors=True)
