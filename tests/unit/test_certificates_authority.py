"""Authorities and what they sign, as OpenSSL sees them."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from cachedistill_operator.certificates.authority import (
    Pair,
    bundle,
    due,
    expiry,
    is_due,
    is_usable,
    issue,
    make_authority,
    make_interception_authority,
    serves,
)
from tests.handshake import shake_hands

# The present: OpenSSL looks at the clock.
NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = ["webhook.system.svc", "127.0.0.1"]


@pytest.fixture(scope="module")
def authority() -> Pair:
    return make_authority("test", NOW)


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_the_authority_accepts_what_it_signed(authority: Pair, name: str, tmp_path: Path) -> None:
    shake_hands(issue(authority, NAMES, NOW), authority.certificate, name, tmp_path)


def test_a_client_refuses_another_name(authority: Pair, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(issue(authority, NAMES, NOW), authority.certificate, "other.svc", tmp_path)


def test_a_client_refuses_another_authority_of_the_same_name(authority: Pair, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(issue(make_authority("test", NOW), NAMES, NOW), authority.certificate, NAMES[0], tmp_path)


def test_two_authorities_of_one_name_are_trusted_together(authority: Pair, tmp_path: Path) -> None:
    following = make_authority("test", NOW)
    trusted = bundle([following.certificate, authority.certificate], NOW)
    for each in (authority, following):
        shake_hands(issue(each, NAMES, NOW), trusted, NAMES[0], tmp_path)


@pytest.mark.parametrize("host", ["api.openai.com", "eu.api.openai.com"])
def test_the_interception_authority_is_good_for_its_hosts(host: str, tmp_path: Path) -> None:
    own = make_interception_authority("test", ["api.openai.com", "api.anthropic.com"], NOW)
    shake_hands(issue(own, [host], NOW), own.certificate, host, tmp_path)


@pytest.mark.parametrize("host", ["example.com", "openai.com", "api.openai.com.example", "127.0.0.1"])
def test_the_interception_authority_is_good_for_nothing_else(host: str, tmp_path: Path) -> None:
    own = make_interception_authority("test", ["api.openai.com"], NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(permitted|excluded) subtree violation"):
        shake_hands(issue(own, [host], NOW), own.certificate, host, tmp_path)


def test_the_interception_authority_is_good_for_no_address(tmp_path: Path) -> None:
    own = make_interception_authority("test", ["api.openai.com"], NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match="excluded subtree violation"):
        shake_hands(issue(own, ["api.openai.com", "127.0.0.1"], NOW), own.certificate, "127.0.0.1", tmp_path)


def test_its_constraints_are_critical_and_it_signs_no_authorities() -> None:
    own = x509.load_pem_x509_certificate(make_interception_authority("test", ["a.example"], NOW).certificate.encode())
    assert own.extensions.get_extension_for_class(x509.NameConstraints).critical
    constraints = own.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)


def test_an_interception_authority_without_hosts_is_refused() -> None:
    with pytest.raises(ValueError, match="hosts"):
        make_interception_authority("test", [], NOW)


def test_a_certificate_is_due_after_two_thirds_of_its_life(authority: Pair) -> None:
    leaf = issue(authority, NAMES, NOW, timedelta(days=90)).certificate
    assert not is_due(leaf, NOW + timedelta(days=59))
    assert is_due(leaf, NOW + timedelta(days=61))
    assert due(leaf) < expiry(leaf) == NOW + timedelta(days=90)


def test_a_certificate_ends_with_its_authority_at_the_latest(authority: Pair) -> None:
    late = NOW + timedelta(days=360)
    assert expiry(issue(authority, NAMES, late).certificate) == expiry(authority.certificate)


def test_only_a_complete_and_fitting_pair_can_be_served_with(authority: Pair) -> None:
    leaf, other = issue(authority, NAMES, NOW), issue(authority, NAMES, NOW)
    root = authority.certificate
    assert serves(leaf, root, NAMES, NOW)
    assert serves(leaf, root, reversed(NAMES), NOW)
    assert not serves(Pair(leaf.certificate, other.key), root, NAMES, NOW)
    assert not serves(leaf, make_authority("test", NOW).certificate, NAMES, NOW)
    assert not serves(leaf, root, [*NAMES, "more.svc"], NOW)
    assert not serves(leaf, root, NAMES, NOW + timedelta(days=91))
    assert not serves(Pair("", ""), root, NAMES, NOW)
    assert not serves(leaf, "", NAMES, NOW)


def test_an_authority_is_usable_until_its_life_ends(authority: Pair) -> None:
    assert is_usable(authority, NOW + timedelta(days=364))
    assert not is_usable(authority, NOW + timedelta(days=366))
    assert not is_usable(Pair(authority.certificate, make_authority("test", NOW).key), NOW)
    assert not is_usable(Pair("", ""), NOW)


def test_a_bundle_has_each_living_authority_once(authority: Pair) -> None:
    old = make_authority("old", NOW - timedelta(days=400))
    assert bundle([authority.certificate, "", authority.certificate, old.certificate], NOW) == authority.certificate


def test_a_key_does_not_show_in_a_log(authority: Pair) -> None:
    assert "PRIVATE" not in repr(authority)
