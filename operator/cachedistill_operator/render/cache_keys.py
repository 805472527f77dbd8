"""The keys by which a cache's sidecars seal what they store: one that is made, and one of the user's for encryption.

Each is a text of keys, one a line, so that one can be replaced: sidecars seal with the first, and open with all.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

KEY_BYTES = 32
SEAL_KEY = "seal-key"
"""Where a managed Redis' own Secret keeps it, beside the passwords: it must outlive the cache as long as the data."""


@dataclass(frozen=True, slots=True)
class CacheKeys:
    """`seal` keeps others from forging entries, `encryption` from reading them too; None for a cache in plain."""

    seal: str = field(repr=False)
    encryption: str | None = field(default=None, repr=False)


def complete(known: Mapping[str, str], name: str, generate: Callable[[int], bytes]) -> str:
    """The sealing keys that a Secret holds under a name; a new one where it holds none."""
    return known.get(name) or b64encode(generate(KEY_BYTES)).decode()


def usable(text: str) -> bool:
    """Whether a text holds keys, as sidecars will read it."""
    try:
        keys = [b64decode(line, validate=True) for line in text.split()]
    except (binascii.Error, ValueError):
        return False
    return bool(keys) and all(len(key) == KEY_BYTES for key in keys)
