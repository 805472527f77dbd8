"""A certificate authority for one cluster, and who gets a certificate from it (names as in Kubernetes' PKI page)."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVICE_IP = "10.96.0.1"
NODE = "node-1"
ADMIN = "admin"
_CLIENTS = {
    # file: (user, group)
    ADMIN: ("kubernetes-admin", "system:masters"),
    "apiserver-kubelet-client": ("kube-apiserver-kubelet-client", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", None),
    "scheduler": ("system:kube-scheduler", None),
    "proxy": ("system:kube-proxy", None),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
}
_API_SERVER_NAMES = ("localhost", *(f"kubernetes{suffix}" for suffix in ("", ".default", ".default.svc")), "127.0.0.1")
_DAYS = 30


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA that signs for one folder."""

    folder: Path
    name: str

    def __post_init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = _begin(self.name, None, _named(self.name), key).add_extension(x509.BasicConstraints(True, None), True)
        certificate = builder.add_extension(usage, True).sign(key, hashes.SHA256())
        _write(self.folder, self.name, certificate, key)

    def issue(self, file: str, user: str, group: str | None = None, names: Iterable[str] = ()) -> None:
        """FILE.crt and FILE.key: for a server when it has names, else for a client."""
        signer = x509.load_pem_x509_certificate((self.folder / f"{self.name}.crt").read_bytes())
        signing_key = serialization.load_pem_private_key((self.folder / f"{self.name}.key").read_bytes(), None)
        assert isinstance(signing_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        names = tuple(names)
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = _begin(user, group, signer.subject, key).add_extension(x509.ExtendedKeyUsage([purpose]), False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        _write(self.folder, file, builder.sign(signing_key, hashes.SHA256()), key)


def write(folder: Path, server: str, address: str) -> None:
    """All certificates, keys and kubeconfigs of a cluster whose API server is at `server`, on `address`."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority(folder, "ca")
    for file, (user, group) in _CLIENTS.items():
        authority.issue(file, user, group)
    authority.issue("apiserver", "kube-apiserver", names=(*_API_SERVER_NAMES, SERVICE_IP, address))
    authority.issue("kubelet-serving", f"system:node:{NODE}", names=(NODE, address, "127.0.0.1"))
    Authority(folder, "front-proxy-ca").issue("front-proxy-client", "front-proxy-client")
    tokens = ec.generate_private_key(ec.SECP256R1())
    _store(folder / "tokens.key", _private(tokens))
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    _store(folder / "tokens.pub", tokens.public_key().public_bytes(serialization.Encoding.PEM, spki))
    for file in _CLIENTS:
        _store(folder / f"{file}.kubeconfig", json.dumps(_kubeconfig(folder, file, server), indent=1).encode())


def _kubeconfig(folder: Path, file: str, server: str) -> dict[str, object]:
    def data(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    cluster = {"server": server, "certificate-authority-data": data("ca.crt")}
    user = {"client-certificate-data": data(f"{file}.crt"), "client-key-data": data(f"{file}.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": file, "user": user}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": file}}],
        "current-context": "tests",
    }


def _begin(user: str, group: str | None, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(user, group))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
    )


def _named(user: str, group: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    if group is not None:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(attributes)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.TraditionalOpenSSL  # what the controller manager reads for tokens
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _write(folder: Path, file: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    _store(folder / f"{file}.crt", certificate.public_bytes(serialization.Encoding.PEM))
    _store(folder / f"{file}.key", _private(key))


def _store(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
