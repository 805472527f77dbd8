"""Tenants and users whose names are meant to be taken for one another."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import combinations_with_replacement, permutations
from random import Random

from cachedistill_sidecar.cache.key import partition

Owner = tuple[str, str, str]
"""Namespace, tenant, user."""

# Between two names, within one, or at its ends: what somebody might join or split fields at.
_SEPARATORS = ("", " ", "\t", "/", "|", ":", ",", "-", "\0", "\x1f", "=", "\\", '"', "%2F", "{", "}", "\u200b")
# Names that are alike but for case, accents, normal form, or bytes that are no UTF-8 (which come as lone surrogates).
_NAMES = ("acme", "Acme", "acm", "e", "é", "e\u0301", "\u017f", "s", "K", "\u212a", "\udcff", "ÿ", "0", "null", "")


def owners(count: int, random: Random) -> list[Owner]:
    """So many different ones."""

    def name() -> str:
        return random.choice(_SEPARATORS).join(random.choices(_NAMES, k=random.randint(0, 3)))

    found: set[Owner] = set()
    while len(found) < count:
        found.add((name(), name(), name()))
    return sorted(found)


def lookalikes(owner: Owner) -> Iterator[Owner]:
    """The same characters with the borders elsewhere, or in another order, case or normal form; it is among them."""
    yield from permutations(owner)
    for change in (str.lower, str.upper, str.title, str.casefold, str.strip):
        yield tuple(map(change, owner))  # type: ignore[misc]
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        yield tuple(unicodedata.normalize(form, name) for name in owner)  # type: ignore[misc]
    for separator in _SEPARATORS:
        whole = separator.join(owner)
        for first, second in combinations_with_replacement(range(len(whole) + 1), 2):
            yield whole[:first], whole[first:second], whole[second:]


def partition_of(owner: Owner) -> bytes:
    """Of one cache, model and shape, so that only the owner makes a difference."""
    return partition(owner, "shop.support", "gpt-4o", b"shape")
