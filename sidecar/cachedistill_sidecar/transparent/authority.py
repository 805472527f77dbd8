"""The interception CA: read once, kept in this process alone, and asked for a leaf certificate for each host."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LEAF_LIFE = timedelta(days=7)
# Clocks of apps on another node may be behind.
_BACKDATED = timedelta(hours=1)

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class AuthorityUnavailable(Exception):
    """No CA that could vouch for all hosts; the message says what is wrong with its files."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate with its private key, both PEM; a new one is due at `renew_at`."""

    certificate: bytes
    key: bytes
    renew_at: datetime


class Authority:
    """Issues certificates. `certificates` is what apps are to trust, PEM: the issuer first, then any others.

    `fingerprint` is the digest of tls.crt as it stands in the Secret, for comparing with what the operator tells.
    """

    def __init__(self, certificates: list[x509.Certificate], key: _Key, fingerprint: str) -> None:
        self._certificate, self._key = certificates[0], key
        self.certificates = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)
        self.fingerprint = fingerprint

    @classmethod
    def load(cls, folder: Path, hosts: Iterable[str], *, now: datetime) -> Self:
        """Reads tls.crt and tls.key. Raises AuthorityUnavailable, also when a client would refuse a leaf for a host."""
        try:
            text = (folder / "tls.crt").read_bytes()
            certificates = x509.load_pem_x509_certificates(text)
            key = serialization.load_pem_private_key((folder / "tls.key").read_bytes(), password=None)
        except OSError as error:
            raise AuthorityUnavailable(f"{error.filename}: {error.strerror}") from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise AuthorityUnavailable(f"{folder}: no certificate and key in PEM: {error}") from error
        issuer = certificates[0]
        if not isinstance(key, _Key) or issuer.public_key() != key.public_key():
            raise AuthorityUnavailable(f"{folder}: tls.key is not the key of the first certificate in tls.crt")
        if not issuer.not_valid_before_utc <= now < issuer.not_valid_after_utc:
            raise AuthorityUnavailable(f"{folder}: tls.crt is not valid at this time")
        if refused := [host for host in hosts if not _permits(issuer, host)]:
            raise AuthorityUnavailable(f"{folder}: tls.crt is no CA whose name constraints permit {', '.join(refused)}")
        return cls(certificates, key, f"sha256:{hashlib.sha256(text).hexdigest()}")

    def leaf(self, host: str, *, now: datetime) -> Leaf:
        """A certificate for one host, of `LEAF_LIFE` or as long as the CA's; due anew after half of it."""
        key = ec.generate_private_key(ec.SECP256R1())
        ends = min(now + LEAF_LIFE, self._certificate.not_valid_after_utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CacheDistill")]))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(ends)
        )
        for extension, critical in _leaf_extensions(host, key, self._certificate):
            builder = builder.add_extension(extension, critical=critical)
        certificate = builder.sign(self._key, hashes.SHA256())
        encoding = serialization.Encoding.PEM
        return Leaf(
            certificate.public_bytes(encoding),
            key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
            renew_at=now + (ends - now) / 2,
        )


def utc_now() -> datetime:
    """The time, as certificates count it."""
    return datetime.now(UTC)


def _leaf_extensions(
    host: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Certificate
) -> list[tuple[x509.ExtensionType, bool]]:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return [
        (x509.SubjectAlternativeName([x509.DNSName(host)]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), False),  # type: ignore[arg-type]
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ]


def _permits(issuer: x509.Certificate, host: str) -> bool:
    """Whether clients accept a leaf for this host (RFC 5280 section 4.2.1.10): it is a named one, or below it."""
    try:
        is_ca = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        named = issuer.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    except x509.ExtensionNotFound:
        # A CA without name constraints could vouch for any host there is: it is not for this.
        return False
    names = [name.value.lower() for name in named if isinstance(name, x509.DNSName)]
    return is_ca and any(host == name or host.endswith(f".{name}") for name in names)
