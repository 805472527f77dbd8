"""Certificates for tests: a public CA, an interception CA with name constraints, and leaves of either."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        form = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())

    def write(self, folder: Path) -> Path:
        """As a Secret of type kubernetes.io/tls is mounted."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tls.key").write_bytes(self.key_pem)
        (folder / "tls.crt").write_bytes(self.pem)
        return folder

    def server(self, folder: Path) -> ssl.SSLContext:
        """For a server with this certificate."""
        self.write(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        return context


def authority(
    hosts: Sequence[str] | None = None,
    *,
    life: timedelta = 365 * DAY,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Issued:
    """A CA; with `hosts`, one that may vouch for these alone."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = _name("a public CA of the tests" if hosts is None else "interception in the tests")
    builder = _builder(name, name, key, life)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_signs(), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if hosts is not None:
        permitted = [x509.DNSName(host) for host in hosts]
        builder = builder.add_extension(x509.NameConstraints(permitted, None), critical=True)
    return Issued(builder.sign(key, hashes.SHA256()), key)


def leaf(issuer: Issued, *hosts: str) -> Issued:
    """A server's certificate, whether or not the issuer may vouch for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    of = issuer.certificate
    builder = _builder(_name(hosts[0]), of.subject, key, 30 * DAY)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    return Issued(builder.sign(issuer.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + life)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signs() -> x509.KeyUsage:
    unset = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(key_cert_sign=True, crl_sign=True, **unset)
