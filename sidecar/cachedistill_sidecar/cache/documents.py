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

FIELDS = ("text", "group", "principal", "seal")
"""What `read` needs; where the seal is keyed, `vector` too."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored query: its entry's key, its partition and text; the group of its answer, and who had asked."""

    key: str
    partition: bytes
    text: str
    group: str
    principal: str


def write(seal: Seal, place: str, stored: Stored, vector: bytes) -> dict[str, str | bytes]:
    """The hash to keep at the Redis key `place`; `vector` are the bytes of its 32-bit floats."""
    partition, group, principal = stored.partition.hex(), stored.group, stored.principal
    sealed = seal.seal(
        stored.text.encode(), place.encode(), partition.encode(), group.encode(), principal.encode(), vector
    )
    fields: dict[str, str | bytes] = {
        "partition": partition,
        "text": sealed.data,
        "vector": vector,
        "group": group,
        "principal": principal,
    }
    return fields | ({"seal": sealed.seal} if sealed.seal else {})


def read(seal: Seal, place: str, partition: bytes, fields: Mapping[bytes, bytes]) -> Stored | None:
    """The query of a hash in a partition; None when it doesn't open. A hash from before there were groups has its own.

    Raises KeyError when there is no text: Redis has found a document, and then let it go.
    """
    sealed = Sealed(fields[b"text"], fields.get(b"seal", b""))
    group, principal = fields.get(b"group", b""), fields.get(b"principal", b"")
    vector = fields.get(b"vector", b"")
    text = seal.open(sealed, place.encode(), partition.hex().encode(), group, principal, vector)
    if text is None:
        return None
    key = place.rsplit(":", 1)[1]
    return Stored(key, partition, _text(text), _text(group) or key, _text(principal))


def _text(raw: bytes) -> str:
    # Whoever writes into a Redis without a seal can write anything; it must not break a lookup.
    return raw.decode(errors="replace")
