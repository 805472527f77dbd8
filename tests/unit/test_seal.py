"""What is sealed opens with the same key, at the same place, unchanged, and not otherwise."""

from __future__ import annotations

import base64
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.cache.keys import KEY_BYTES, read_keys
from cachedistill_sidecar.cache.seal import Encrypted, Seal, Sealed, Signed, Unsealed, seal_of
from cachedistill_sidecar.route_document import Cache, Redis, RouteError

ONE, TWO = (base64.b64encode(bytes([number]) * KEY_BYTES).decode() for number in (1, 2))
KEYED = [Signed, Encrypted]
FIELDS = st.lists(st.binary(max_size=6), min_size=1, max_size=4)


def file(folder: Path, *keys: str) -> str:
    path = folder / "keys"
    path.write_text("\n".join([*keys, ""]))
    return str(path)


def with_keys(kind: type[Seal], folder: Path, *keys: str) -> Seal:
    seal = kind(file(folder, *keys))
    seal.load()
    return seal


@pytest.fixture(scope="module", params=KEYED)
def seal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seal:
    return with_keys(request.param, tmp_path_factory.mktemp("keys"), ONE)


@given(data=st.binary(max_size=40), bound=FIELDS, other=FIELDS)
def test_it_opens_exactly_where_it_was_sealed(seal: Seal, data: bytes, bound: list[bytes], other: list[bytes]) -> None:
    sealed = Sealed.unpack(seal.seal(data, b"place", *bound).pack())
    assert seal.open(sealed, b"place", *bound) == data
    assert (seal.open(sealed, b"place", *other) is not None) == (other == bound)


@given(data=st.binary(min_size=1, max_size=40), at=st.integers(0), by=st.integers(1, 255))
def test_any_changed_byte_keeps_it_shut(seal: Seal, data: bytes, at: int, by: int) -> None:
    packed = bytearray(seal.seal(data, b"place").pack())
    packed[at % len(packed)] ^= by
    assert seal.open(Sealed.unpack(bytes(packed)), b"place") is None


@given(packed=st.binary(max_size=80))
def test_what_nobody_sealed_stays_shut(seal: Seal, packed: bytes) -> None:
    assert seal.open(Sealed.unpack(packed), b"place") is None


@pytest.mark.parametrize("kind", KEYED)
def test_a_key_that_is_replaced_opens_what_it_sealed_as_long_as_it_is_there(kind: type[Seal], tmp_path: Path) -> None:
    old = with_keys(kind, tmp_path, ONE)
    before = old.seal(b"answer", b"place")
    rotated = with_keys(kind, tmp_path, TWO, ONE)
    assert rotated.open(before, b"place") == b"answer"
    assert with_keys(kind, tmp_path, TWO).open(rotated.seal(b"answer", b"place"), b"place") == b"answer"
    assert with_keys(kind, tmp_path, TWO).open(before, b"place") is None


@pytest.mark.parametrize("kind", KEYED)
def test_keys_are_taken_up_when_the_file_changes_and_kept_when_it_goes(kind: type[Seal], tmp_path: Path) -> None:
    seal = with_keys(kind, tmp_path, ONE)
    before = seal.seal(b"answer", b"place")
    path = Path(file(tmp_path, TWO))
    seal.load()
    assert seal.open(before, b"place") is None
    path.unlink()
    with pytest.raises(RouteError, match="No such file"):
        seal.load()
    assert seal.open(seal.seal(b"answer", b"place"), b"place") == b"answer"


def test_another_form_does_not_open(tmp_path: Path) -> None:
    signed, encrypted = (with_keys(kind, tmp_path, ONE) for kind in (Signed, Encrypted))
    assert encrypted.open(signed.seal(b"answer", b"place"), b"place") is None
    assert signed.open(encrypted.seal(b"answer", b"place"), b"place") is None
    assert signed.open(Unsealed().seal(b"answer"), b"place") is None
    assert Unsealed().open(signed.seal(b"answer", b"place"), b"place") is None


def test_without_a_key_things_are_stored_as_they_are() -> None:
    assert Unsealed().seal(b'{"format":1}', b"place").pack() == b'{"format":1}'
    assert Unsealed().open(Sealed.unpack(b'{"format":1}'), b"place") == b'{"format":1}'


def test_only_encryption_hides_what_is_stored_and_never_twice_alike(tmp_path: Path) -> None:
    signed, encrypted = (with_keys(kind, tmp_path, ONE) for kind in (Signed, Encrypted))
    assert b"answer" in signed.seal(b"answer", b"place").pack()
    assert b"answer" not in encrypted.seal(b"answer", b"place").pack()
    assert encrypted.seal(b"answer", b"place") != encrypted.seal(b"answer", b"place")


def test_what_does_not_open_is_counted_each_time_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seal = with_keys(Signed, tmp_path, ONE)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            seal.open(Sealed(b"secret answer", b"x" * 32), b"cachedistill:c:e:1")
    assert seal.broken == 3
    [told] = caplog.messages
    assert "cachedistill:c:e:1" in told
    assert "secret" not in told


@pytest.mark.parametrize("kind", [*KEYED, None])
def test_pseudonyms_differ_when_their_fields_do_and_depend_on_the_key(kind: type[Seal] | None, tmp_path: Path) -> None:
    seal = with_keys(kind, tmp_path, ONE) if kind is not None else Unsealed()
    assert seal.pseudonym(b"a", b"b") == seal.pseudonym(b"a", b"b")
    assert len({seal.pseudonym(*fields) for fields in ((b"a", b"b"), (b"ab",), (b"", b"ab"), (b"ab", b""))}) == 4
    assert len(bytes.fromhex(seal.pseudonym(b"a"))) == 8
    if kind is not None:
        assert with_keys(kind, tmp_path, TWO).pseudonym(b"a") != seal.pseudonym(b"a")
        assert with_keys(kind, tmp_path, ONE, TWO).pseudonym(b"a") == seal.pseudonym(b"a")


def test_the_file_holds_keys_one_a_line(tmp_path: Path) -> None:
    assert read_keys(file(tmp_path, ONE, "", f"  {TWO}\r")) == (bytes([1]) * 32, bytes([2]) * 32)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"hush", b"aHVzaA==", ONE.encode()[:-4], b"\xff\xfe", b"hush!" * 9])
def test_a_wrong_file_is_refused_without_a_word_of_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(RouteError, match=r"sealFile: .*: must hold keys of 32 bytes in base64") as refused:
        Signed(str(path)).load()
    assert "hush" not in str(refused.value)


def test_the_document_says_which_form(tmp_path: Path) -> None:
    def kind(**files: str) -> type[Seal]:
        return type(seal_of(Cache(name="c", redis=Redis(url="redis://r"), **files)))  # type: ignore[arg-type]

    assert kind() is Unsealed
    assert kind(seal_file="/keys") is Signed
    assert kind(encryption_file="/keys") is kind(seal_file="/keys", encryption_file="/keys") is Encrypted


@pytest.mark.parametrize(("kind", "loads"), [("Signed", False), ("Encrypted", True)])
def test_only_who_encrypts_loads_what_that_takes(tmp_path: Path, kind: str, loads: bool) -> None:
    """It is 6 MB in every pod."""
    program = (
        f"import sys; from cachedistill_sidecar.cache.seal import {kind}\n"
        f"seal = {kind}({file(tmp_path, ONE)!r}); seal.load(); seal.seal(b'x', b'y')\n"
        "print('cryptography' in sys.modules)"
    )
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )
    assert result.stdout.strip() == str(loads), result.stderr
