"""Seals on what is stored: whoever may write to Redis, but lacks the cache's key, can't forge an answer or move one.

A seal binds bytes to the place where they are and to whatever else must not change with them. There are three forms:
none; HMAC-SHA256 (RFC 2104), which leaves the bytes readable; and AES-256-GCM (NIST SP 800-38D), which doesn't. With
random nonces a key of the latter is good for four billion records.

What a seal can't tell is an old record from the newest one at the same place.
"""

from __future__ import annotations

import hmac
import logging
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from cachedistill_sidecar.cache.key import framed
from cachedistill_sidecar.cache.keys import read_keys
from cachedistill_sidecar.route_document import RouteError

if TYPE_CHECKING:
    from cachedistill_sidecar.route_document import Cache

log = logging.getLogger(__name__)

_NONCE_BYTES = 12
_TAG_BYTES = 16
_PSEUDONYM_BYTES = 8
# What is stored without a seal is JSON, and no seal is as long as the code of its first character.
_JSON = b"{"


@dataclass(frozen=True, slots=True)
class Sealed:
    """Bytes as they are stored, and the seal that goes with them; the seal is empty where nothing is sealed."""

    data: bytes
    seal: bytes = b""

    def pack(self) -> bytes:
        """Both in one byte string: the seal's length, the seal, the data; without a seal the data alone."""
        return bytes([len(self.seal)]) + self.seal + self.data if self.seal else self.data

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Take apart what `pack` made."""
        if not packed or packed.startswith(_JSON):
            return cls(packed)
        end = 1 + packed[0]
        return cls(packed[end:], packed[1:end])


class Seal(ABC):
    """Seals records, and opens what was sealed with any of its keys; `load` reads them, and comes first."""

    field: ClassVar[str]
    keyed: ClassVar[bool] = True
    """Whether a record must bear a seal; what that is bound to must then be at hand to open it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._keys: tuple[bytes, ...] = ()
        self.broken = 0
        """How many records did not open: forged, changed, moved, of another key, or without the seal they need."""

    @property
    def loaded(self) -> bool:
        """Whether there are keys."""
        return bool(self._keys)

    def load(self) -> None:
        """Read the keys; if they were read before, what has become of them. Raises RouteError; known keys stay then."""
        try:
            keys = read_keys(self._path)
        except ValueError as error:
            raise RouteError(f"{self.field}: {error}") from error
        if keys != self._keys:
            self._take(keys)
            self._keys = keys

    @abstractmethod
    def seal(self, data: bytes, *bound: bytes) -> Sealed:
        """The stored form of `data`, to be opened only with equal `bound`; the first of them is its Redis key."""

    def open(self, sealed: Sealed, *bound: bytes) -> bytes | None:
        """The data, or None for what does not open; such records are counted, and the first one is logged."""
        data = self._open(sealed, *bound)
        if data is None:
            if not self.broken:
                log.warning("%s bears no seal of this cache's key: such records are deleted", bound[0].decode())
            self.broken += 1
        return data

    def pseudonym(self, *of: bytes) -> str:
        """16 hex digits that stand for somebody, equal for equal fields; without the key they can't be guessed.

        Another first key makes other pseudonyms.
        """
        key = hmac.digest(self._keys[0], b"cachedistill: pseudonyms", "sha256")
        return hmac.digest(key, framed(*of), "sha256")[:_PSEUDONYM_BYTES].hex()

    @abstractmethod
    def _take(self, keys: tuple[bytes, ...]) -> None: ...

    @abstractmethod
    def _open(self, sealed: Sealed, *bound: bytes) -> bytes | None: ...


class Unsealed(Seal):
    """No key: everything is stored as it is. What bears a seal is not read: it belongs to a cache with a key."""

    keyed = False

    def __init__(self) -> None:
        super().__init__("")
        self._keys = (b"",)

    def load(self) -> None:
        """There is nothing to read."""

    def seal(self, data: bytes, *bound: bytes) -> Sealed:
        """See Seal."""
        return Sealed(data)

    def _take(self, keys: tuple[bytes, ...]) -> None: ...

    def _open(self, sealed: Sealed, *bound: bytes) -> bytes | None:
        return None if sealed.seal else sealed.data


class Signed(Seal):
    """HMAC-SHA256: readable in Redis, but not to be forged. 32 bytes a record."""

    field = "sealFile"

    def seal(self, data: bytes, *bound: bytes) -> Sealed:
        """See Seal."""
        return Sealed(data, hmac.digest(self._keys[0], framed(data, *bound), "sha256"))

    def _take(self, keys: tuple[bytes, ...]) -> None: ...

    def _open(self, sealed: Sealed, *bound: bytes) -> bytes | None:
        message = framed(sealed.data, *bound)
        for key in self._keys:
            if hmac.compare_digest(hmac.digest(key, message, "sha256"), sealed.seal):
                return sealed.data
        return None


class Encrypted(Seal):
    """AES-256-GCM: neither to be read nor to be forged. A nonce of 12 bytes and a tag of 16 a record."""

    field = "encryptionFile"

    def seal(self, data: bytes, *bound: bytes) -> Sealed:
        """See Seal."""
        nonce = os.urandom(_NONCE_BYTES)
        made = self._ciphers[0].encrypt(nonce, data, framed(*bound))
        return Sealed(made[:-_TAG_BYTES], nonce + made[-_TAG_BYTES:])

    def _take(self, keys: tuple[bytes, ...]) -> None:
        # Only now: it takes memory, which a sidecar that encrypts nothing needn't pay.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._ciphers = [AESGCM(key) for key in keys]
        self._wrong = InvalidTag

    def _open(self, sealed: Sealed, *bound: bytes) -> bytes | None:
        if len(sealed.seal) != _NONCE_BYTES + _TAG_BYTES:
            return None
        nonce, tag = sealed.seal[:_NONCE_BYTES], sealed.seal[_NONCE_BYTES:]
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(nonce, sealed.data + tag, framed(*bound))
            except self._wrong:
                continue
        return None


def seal_of(cache: Cache) -> Seal:
    """The seal that a cache's document asks for; its keys are still to be loaded."""
    if cache.encryption_file is not None:
        return Encrypted(cache.encryption_file)
    return Signed(cache.seal_file) if cache.seal_file is not None else Unsealed()
