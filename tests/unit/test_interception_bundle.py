"""Apps are given the public roots and the interception CA; the sidecar itself keeps to the public roots."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from cachedistill_sidecar.transparent import bundle as module
from cachedistill_sidecar.transparent.bundle import public_roots, write_bundle
from tests.interception.certificates import authority


def test_a_bundle_holds_both_and_is_for_everybody_to_read(tmp_path: Path) -> None:
    public, ours = authority(), authority(["api.openai.com"])
    file = tmp_path / "trust" / "bundle.pem"
    # A file whose last line has no end must not swallow the first certificate of the other.
    write_bundle(file, public.pem.rstrip(), ours.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(file)
    assert len(context.get_ca_certs()) == 2
    assert file.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in file.parent.iterdir()] == ["bundle.pem"]


def test_a_bundle_that_is_there_is_replaced_at_once(tmp_path: Path) -> None:
    file = tmp_path / "bundle.pem"
    write_bundle(file, b"one\n", b"old\n")
    with file.open() as reader:
        write_bundle(file, b"one\n", b"new\n")
        assert reader.read() == "one\nold\n"
    assert file.read_text() == "one\nnew\n"


def test_the_roots_of_the_environment_come_first_then_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, system = tmp_path / "named.pem", tmp_path / "system.pem"
    named.touch()
    system.touch()
    paths = ssl.get_default_verify_paths()._replace(cafile=str(system))
    monkeypatch.setattr("ssl.get_default_verify_paths", lambda: paths)
    monkeypatch.setenv("SSL_CERT_FILE", str(named))
    assert public_roots(tmp_path / "bundle.pem") == named
    named.unlink()
    assert public_roots(tmp_path / "bundle.pem") == system


def test_without_any_roots_of_the_system_certifis_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setattr(module, "_SYSTEM", ())
    paths = ssl.get_default_verify_paths()._replace(cafile="")
    monkeypatch.setattr("ssl.get_default_verify_paths", lambda: paths)
    assert "certifi" in str(public_roots(tmp_path / "bundle.pem"))


def test_the_bundle_itself_is_never_taken_for_the_public_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bundle.pem").touch()
    (tmp_path / "link.pem").symlink_to("bundle.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "link.pem"))
    assert public_roots(tmp_path / "bundle.pem").name != "link.pem"
