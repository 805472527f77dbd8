"""The interception CA vouches for the listed hosts, as clients verify it, and for nothing else."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cachedistill_sidecar.transparent.authority import LEAF_LIFE, Authority, AuthorityUnavailable
from cachedistill_sidecar.transparent.handshake import Handshakes
from tests.interception.certificates import DAY, authority

HOST, OTHER = "api.openai.com", "api.anthropic.com"
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return authority([HOST, OTHER]).write(tmp_path / "ca")


@pytest.fixture
def ca(folder: Path) -> Authority:
    return Authority.load(folder, [HOST, OTHER], now=NOW)


def shaken(server: Handshakes, name: str | None, trusted: bytes) -> ssl.SSLObject:
    """The client's side of a handshake in memory. Raises ssl.SSLError as a client would."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cadata=trusted.decode())
    context.set_alpn_protocols(["h2", "http/1.1"])
    if name is None:
        context.check_hostname = False
    there = server.context.wrap_bio(to_server, to_client, server_side=True)
    here = context.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for side in (here, there):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                if side is here:
                    raise
    return here


def certificate_of(connection: ssl.SSLObject) -> x509.Certificate:
    der = connection.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def test_a_listed_host_gets_a_certificate_that_a_client_trusts(ca: Authority) -> None:
    connection = shaken(Handshakes(ca, frozenset({HOST})), HOST, ca.certificates)
    names = certificate_of(connection).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [HOST]
    assert connection.selected_alpn_protocol() == "http/1.1"


def test_a_name_in_capitals_is_the_same_host(ca: Authority) -> None:
    assert shaken(Handshakes(ca, frozenset({HOST})), HOST.upper(), ca.certificates).version()


@pytest.mark.parametrize("name", [OTHER, "api.example.com", f"sub.{HOST}", None])
def test_other_names_and_none_are_refused_in_the_handshake(ca: Authority, name: str | None) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        shaken(Handshakes(ca, frozenset({HOST})), name, ca.certificates)


def test_a_certificate_is_kept_for_half_of_its_life_and_then_made_anew(ca: Authority) -> None:
    # The client's clock is the real one, so the certificates must overlap with now.
    clock = [NOW - LEAF_LIFE / 2]
    server = Handshakes(ca, frozenset({HOST}), now=lambda: clock[0])
    first = certificate_of(shaken(server, HOST, ca.certificates))
    clock[0] += LEAF_LIFE / 2 - DAY / 24
    assert certificate_of(shaken(server, HOST, ca.certificates)) == first
    clock[0] += DAY / 12
    second = certificate_of(shaken(server, HOST, ca.certificates))
    assert second.serial_number != first.serial_number
    assert second.not_valid_after_utc > first.not_valid_after_utc


def test_a_leaf_is_no_ca_has_a_key_of_its_own_and_ends_with_its_ca(tmp_path: Path) -> None:
    short = authority([HOST], life=2 * DAY)
    leaf = Authority.load(short.write(tmp_path), [HOST], now=NOW).leaf(HOST, now=NOW)
    certificate = x509.load_pem_x509_certificate(leaf.certificate)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert (key.curve.name, key == short.key.public_key()) == ("secp256r1", False)
    assert certificate.not_valid_after_utc == short.certificate.not_valid_after_utc


def test_certificates_behind_the_issuer_are_trusted_too(tmp_path: Path) -> None:
    """So that the CA before it and the one after it can be handed out while it changes."""
    new, old = authority([HOST]), authority([HOST])
    (new.write(tmp_path) / "tls.crt").write_bytes(new.pem + old.pem)
    assert Authority.load(tmp_path, [HOST], now=NOW).certificates == new.pem + old.pem


def test_a_ca_of_the_same_key_for_more_hosts_is_as_good_for_apps_that_know_the_one_before(tmp_path: Path) -> None:
    """A sidecar that comes back takes the CA as it is by then; its app may have read the bundle before."""
    before = authority([HOST])
    after = authority([HOST, OTHER], key=before.key)
    ca = Authority.load(after.write(tmp_path), [HOST, OTHER], now=NOW)
    assert shaken(Handshakes(ca, frozenset({HOST, OTHER})), HOST, before.pem).version()


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "tls.key").unlink()
    with pytest.raises(AuthorityUnavailable, match=r"tls\.key: No such file"):
        Authority.load(folder, [HOST], now=NOW)


@pytest.mark.parametrize("file", ["tls.crt", "tls.key"])
def test_a_file_that_is_no_pem_is_an_error(folder: Path, file: str) -> None:
    (folder / file).write_bytes(b"nonsense")
    with pytest.raises(AuthorityUnavailable, match="PEM"):
        Authority.load(folder, [HOST], now=NOW)


def test_the_key_of_another_ca_is_an_error(folder: Path) -> None:
    (folder / "tls.key").write_bytes(authority([HOST]).key_pem)
    with pytest.raises(AuthorityUnavailable, match="not the key"):
        Authority.load(folder, [HOST], now=NOW)


@pytest.mark.parametrize("at", [NOW - 2 * DAY, NOW + 3650 * DAY])
def test_a_ca_outside_of_its_time_is_an_error(folder: Path, at: datetime) -> None:
    with pytest.raises(AuthorityUnavailable, match="not valid at this time"):
        Authority.load(folder, [HOST], now=at)


def test_a_host_that_the_ca_may_not_vouch_for_is_named(folder: Path) -> None:
    with pytest.raises(AuthorityUnavailable, match=r"permit api\.mistral\.ai$"):
        Authority.load(folder, [HOST, "api.mistral.ai"], now=NOW)


def test_a_ca_without_name_constraints_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(AuthorityUnavailable, match="name constraints"):
        Authority.load(authority().write(tmp_path), [HOST], now=NOW)
