"""etcd, API server, controller manager and scheduler: their command lines, and when they are ready."""

from __future__ import annotations

import socket
import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from e2e import machine
from e2e.binaries import tool
from e2e.cluster import pki
from e2e.cluster.process import Processes, until

SERVICES = "10.96.0.0/16"
PODS = "10.244.0.0/16"
Command = list[str | Path]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the API server and its etcd listen."""

    host: str
    port: int
    etcd_port: int
    etcd_peer_port: int

    @classmethod
    def free(cls) -> Endpoints:
        """Ports of 127.0.0.1 that nobody has at this moment."""
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        ports = [each.getsockname()[1] for each in sockets]
        for each in sockets:
            each.close()
        return cls("127.0.0.1", *ports)

    @property
    def url(self) -> str:
        """The API server's."""
        return f"https://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Starts the parts, and waits for each."""

    processes: Processes
    endpoints: Endpoints
    certificates: Path
    data: Path
    """etcd's folder: memory is best, for its writes wait for the disk."""

    def start_storage_and_api(self) -> None:
        """etcd and the API server, ready."""
        self.processes.start("etcd", self._etcd())
        # It retries while etcd starts: no need to wait for that.
        self.start_api_server()

    def start_api_server(self) -> None:
        """The API server alone: also to start it again."""
        self.processes.start("kube-apiserver", self._api_server())
        until("API server", self.ready, explain=lambda: self.processes.tail("kube-apiserver"))

    def start_controllers(self) -> None:
        """The controller manager; ready when the first service account is there, without which no pod is admitted."""
        self.processes.start("kube-controller-manager", self._controller_manager())
        until(
            "service account",
            lambda: bool(self.get("/api/v1/namespaces/default/serviceaccounts/default")),
            explain=lambda: self.processes.tail("kube-controller-manager"),
        )

    def start_scheduler(self) -> None:
        """The scheduler."""
        command: Command = [tool("kube-scheduler"), *self._kubeconfigs("scheduler")]
        self.processes.start("kube-scheduler", [*command, "--bind-address=127.0.0.1", "--leader-elect=false"])

    def ready(self) -> bool:
        """Whether the API server says so itself."""
        return self.get("/readyz") == b"ok"

    def get(self, path: str) -> bytes:
        """GET as admin. Raises OSError."""
        context = ssl.create_default_context(cafile=str(self.certificates / "ca.crt"))
        admin = self.certificates / pki.ADMIN
        context.load_cert_chain(f"{admin}.crt", f"{admin}.key")
        with urllib.request.urlopen(self.endpoints.url + path, context=context, timeout=3) as answer:
            return bytes(answer.read())

    def _etcd(self) -> Command:
        clients = f"http://127.0.0.1:{self.endpoints.etcd_port}"
        peers = f"http://127.0.0.1:{self.endpoints.etcd_peer_port}"
        return [
            machine.command("etcd"),
            f"--data-dir={self.data}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--logger=zap",
            "--log-level=warn",
        ]

    def _api_server(self) -> Command:
        pems = self.certificates
        # Behind a loopback address there are no nodes, and nobody to whom endpoints would be of use.
        alone = ["--endpoint-reconciler-type=none"] if self.endpoints.host == "127.0.0.1" else []
        return [
            tool("kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{self.endpoints.etcd_port}",
            f"--bind-address={self.endpoints.host}",
            f"--advertise-address={self.endpoints.host if not alone else '198.51.100.1'}",
            f"--secure-port={self.endpoints.port}",
            f"--service-cluster-ip-range={SERVICES}",
            f"--tls-cert-file={pems}/apiserver.crt",
            f"--tls-private-key-file={pems}/apiserver.key",
            f"--client-ca-file={pems}/ca.crt",
            f"--kubelet-client-certificate={pems}/apiserver-kubelet-client.crt",
            f"--kubelet-client-key={pems}/apiserver-kubelet-client.key",
            f"--kubelet-certificate-authority={pems}/ca.crt",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pems}/tokens.pub",
            f"--service-account-signing-key-file={pems}/tokens.key",
            f"--requestheader-client-ca-file={pems}/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={pems}/front-proxy-client.crt",
            f"--proxy-client-key-file={pems}/front-proxy-client.key",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--profiling=false",
            *alone,
        ]

    def _controller_manager(self) -> Command:
        pems = self.certificates
        return [
            tool("kube-controller-manager"),
            *self._kubeconfigs("controller-manager"),
            "--secure-port=0",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={pems}/tokens.key",
            f"--root-ca-file={pems}/ca.crt",
            f"--cluster-signing-cert-file={pems}/ca.crt",
            f"--cluster-signing-key-file={pems}/ca.key",
            "--allocate-node-cidrs=true",
            f"--cluster-cidr={PODS}",
            "--node-cidr-mask-size=24",
            f"--service-cluster-ip-range={SERVICES}",
            "--node-monitor-grace-period=20s",
            "--horizontal-pod-autoscaler-sync-period=5s",
            # Its own 20 requests a second are what a start and the end of a namespace wait for.
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ]

    def _kubeconfigs(self, user: str) -> list[str]:
        path = self.certificates / f"{user}.kubeconfig"
        return [f"--{each}={path}" for each in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")]
