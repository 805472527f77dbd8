"""Authorities and the certificates that they sign (RFC 5280): ECDSA P-256, PEM, no I/O; the time is passed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=365)
LEAF_LIFE = timedelta(days=90)
# Clocks of a cluster's machines differ.
_BACKDATED = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key (PKCS #8), both PEM."""

    certificate: str
    key: str = field(repr=False)


def make_authority(name: str, now: datetime, life: timedelta = AUTHORITY_LIFE) -> Pair:
    """A root that signs end certificates only."""
    return _root(name, now, life, (), None)


def make_interception_authority(
    name: str,
    hosts: Iterable[str],
    now: datetime,
    life: timedelta = AUTHORITY_LIFE,
    *,
    before: Pair | None = None,
) -> Pair:
    """A root that is good for the named hosts, and what is below them, alone (critical name constraints).

    Whoever trusts it for these trusts it for no others: OpenSSL, GnuTLS, Go and Node all refuse. It vouches for no
    addresses either. With the key of the one `before`, and its name, apps that trust that one go on trusting what is
    signed now. Raises ValueError without hosts: it would be good for everything.
    """
    permitted = [x509.DNSName(host) for host in sorted(set(hosts))]
    if not permitted:
        raise ValueError("hosts: at least one must be named")
    everywhere = [x509.IPAddress(ip_network(text)) for text in ("0.0.0.0/0", "::/0")]
    constraints = x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=everywhere)
    try:
        key = _key(before) if before is not None else None
    except (TypeError, ValueError):
        key = None  # Somebody broke it: then what trusts it is lost.
    return _root(name, now, life, [constraints], key)


def issue(authority: Pair, names: Iterable[str], now: datetime, life: timedelta = LEAF_LIFE) -> Pair:
    """A server's certificate for DNS names and IP addresses; it ends with its authority at the latest.

    Raises ValueError without names.
    """
    listed = list(dict.fromkeys(names))
    if not listed:
        raise ValueError("names: at least one must be given")
    root = x509.load_pem_x509_certificate(authority.certificate.encode())
    key = ec.generate_private_key(ec.SECP256R1())
    # RFC 5280 allows 64 characters in a common name; clients look at the alternative names only.
    builder = _builder(listed[0][:64], root.subject, key, now, min(now + life, root.not_valid_after_utc))
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([_general_name(name) for name in listed]), False),
        (_authority_identifier(root), False),
    ]
    return _signed(builder, extensions, key, _key(authority))


def is_due(certificate: str, now: datetime) -> bool:
    """Whether two thirds of a certificate's life are over: time for the next one."""
    return now >= due(certificate)


def due(certificate: str) -> datetime:
    """When two thirds of its life are over. Raises ValueError when it is no certificate."""
    read = x509.load_pem_x509_certificate(certificate.encode())
    return read.not_valid_before_utc + (read.not_valid_after_utc - read.not_valid_before_utc) * 2 / 3


def expiry(certificate: str) -> datetime:
    """When its life ends. Raises ValueError when it is no certificate."""
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc


def serves(pair: Pair, authority: str, names: Iterable[str], now: datetime) -> bool:
    """Whether a server can show a pair: complete, for exactly these names, signed by the authority, not over."""
    try:
        read = x509.load_pem_x509_certificate(pair.certificate.encode())
        root = x509.load_pem_x509_certificate(authority.encode())
        own = _key(pair).public_key() == read.public_key()
        read.verify_directly_issued_by(root)
        listed = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return own and set(listed) == {_general_name(name) for name in names} and now < read.not_valid_after_utc


def is_usable(pair: Pair, now: datetime) -> bool:
    """Whether an authority can sign: certificate and key fit, and its life isn't over."""
    try:
        read = x509.load_pem_x509_certificate(pair.certificate.encode())
        return _key(pair).public_key() == read.public_key() and now < read.not_valid_after_utc
    except (ValueError, TypeError):
        return False


def bundle(certificates: Iterable[str], now: datetime) -> str:
    """What is to be trusted of some authorities: each once, in their order, without those whose life is over."""
    alive = []
    for certificate in certificates:
        try:
            if expiry(certificate) > now:
                alive.append(certificate.strip() + "\n")
        except ValueError:
            continue
    return "".join(dict.fromkeys(alive))


def _root(
    name: str,
    now: datetime,
    life: timedelta,
    constraints: Iterable[x509.NameConstraints],
    key: ec.EllipticCurvePrivateKey | None,
) -> Pair:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    builder = _builder(name[:64], subject, key, now, now + life)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_usage(key_cert_sign=True, crl_sign=True), True),
        *((constraint, True) for constraint in constraints),
    ]
    return _signed(builder, extensions, key, key)


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _signed(
    builder: x509.CertificateBuilder,
    extensions: Iterable[tuple[x509.ExtensionType, bool]],
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
) -> Pair:
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(certificate.decode(), private.decode())


def _key(pair: Pair) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pair.key.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key of ours: an elliptic-curve key is expected")
    return key


def _authority_identifier(root: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
