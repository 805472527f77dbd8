"""Vector documents: Redis hashes with a past query, its embedding, and whose answer it leads to.

Their seal covers all of it and the place where they are: with another's vector, or in another partition, a query would
be found by texts that it has nothing to do with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cachedistill_sidecar.cache.seal import Sealed

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.seal import Seal

FIELDS = ("text", "group", "principal", "guess", "at", "seal")
"""What `read` needs; where the seal is keyed, `vector` too."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored query: its entry's key, its partition and text; the rest as in `exchange.Neighbour`."""

    key: str
    partition: bytes
    text: str
    group: str
    principal: str
    guess: str = ""
    at: float = 0.0


def write(seal: Seal, place: str, stored: Stored, vector: bytes) -> dict[str, str | bytes]:
    """The hash to keep at the Redis key `place`; `vector` are the bytes of its 32-bit floats."""
    about = {"group": stored.group, "principal": stored.principal, "guess": stored.guess, "at": repr(stored.at)}
    partition, bound = stored.partition.hex(), [value.encode() for value in about.values()]
    sealed = seal.seal(stored.text.encode(), place.encode(), partition.encode(), *bound, vector)
    fields: dict[str, str | bytes] = {"partition": partition, "text": sealed.data, "vector": vector, **about}
    return fields | ({"seal": sealed.seal} if sealed.seal else {})


def read(seal: Seal, place: str, partition: bytes, fields: Mapping[bytes, bytes]) -> Stored | None:
    """The query of a hash in a partition; None when it doesn't open. A hash from before there were groups has its own.

    Raises KeyError when there is no text: Redis has found a document, and then let it go.
    """
    sealed = Sealed(fields[b"text"], fields.get(b"seal", b""))
    about = [fields.get(name, b"") for name in (b"group", b"principal", b"guess", b"at")]
    text = seal.open(sealed, place.encode(), partition.hex().encode(), *about, fields.get(b"vector", b""))
    if text is None:
        return None
    key = place.rsplit(":", 1)[1]
    group, principal, guess, at = map(_text, about)
    return Stored(key, partition, _text(text), group or key, principal, guess, _number(at))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _text(raw: bytes) -> str:
    # Whoever writes into a Redis without a seal can write anything; it must not break a lookup.
    return raw.decode(errors="replace")
